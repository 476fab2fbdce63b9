"""A small OpenAI-compatible server on loopback that answers as the scripted engine does, and fails as servers do.

In a test:    with LlmServer(rate=0.3) as server: … server.url, server.asked, server.faults
By itself:    python tests/llm_server.py [--port 0] [--rate 0.3] …    prints its port, and serves until it is killed

Whether a request meets a fault, and which, depends on the server's seed, on the seed in its body (each request of a run
has its own) and on how often that body was asked before. So a run meets the same faults whatever its concurrency, and
also after a prompt was reworded. GET /asked tells the counts, as JSON.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synth.engines import Request, Response, Sampling
from synth.engines.scripted import ScriptedEngine, Settings
from synth.prompts import Message

PASSING = (
    "429", "503", "500", "reset", "closed", "cut", "short", "hang", "drip", "half", "html", "wrong", "empty", "shape", "huge",
    "garbled", "not_http", "abort",
)  # fmt: skip
"""Faults that another try may mend."""
LASTING = ("error", "null", "refused", "too_long")
"""Faults that cost a row: the server would say the same again."""
_STATUS = {"429": (429, "too many requests"), "503": (503, "loading"), "500": (500, "you sent "), "401": (401, "no: ")}


@dataclass
class _Ask:
    """One request as it came, and the way back."""

    body: bytes
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def key(self) -> str:
        return hashlib.blake2b(self.body, digest_size=8).hexdigest()

    @property
    def identity(self) -> str:
        return self.headers.get("x-request-id", "none")


class LlmServer:
    """Serves while it is entered, in a thread of its own; `stop` and `start` again keep the port and the counts."""

    def __init__(
        self, *, port: int = 0, rate: float = 0.0, kinds: Sequence[str] = PASSING, seed: int = 0, latency: float = 0.0,
        junk: float = 0.0, dies_after: int | None = None,
    ) -> None:  # fmt: skip
        self.port, self.rate, self.kinds, self.seed, self.latency = port, rate, kinds, seed, latency
        self.junk = junk
        self.dies_after = dies_after
        """Answers after which it ends by itself, once; requests under way then get no answer."""
        self.asked: Counter[str] = Counter()
        """How often each body was asked."""
        self.answered: Counter[str] = Counter()
        """How often each body got its own whole answer."""
        self.faults: Counter[str] = Counter()
        self.before = 0
        """Answers that it had given before anybody looked."""
        self.most_at_once = 0
        self._at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "LlmServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="llm-server", daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """End as a killed process does: connections close, requests under way get no answer."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)
        self.wait()

    def wait(self) -> None:
        """Return when it has ended."""
        self._thread.join()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._ending.wait()
        server.close()
        for writer in tuple(self._writers):
            writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError):  # what was answered goes out
                await asyncio.wait_for(writer.wait_closed(), 1)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not self._ending.is_set():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if head[0].startswith("GET /asked "):
                    counts = {"asked": self.asked, "answered": self.answered, "faults": self.faults}
                    await _send(writer, json.dumps(counts).encode())
                elif head[0].startswith("GET /health "):
                    await _send(writer, b"")
                elif head[0].startswith("GET /metrics "):
                    await _send(writer, self._metrics().encode(), kind="text/plain")
                elif head[0].startswith("POST /v1/chat/completions "):
                    await self._answer(_Ask(body, headers, reader, writer))
                else:
                    await _send(writer, b'{"error": {"message": "no such page"}}', "404 Not Found")
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, ask: _Ask) -> None:
        fault = self._draw(ask)
        self.asked[ask.key] += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.latency)
            if self._ending.is_set():
                return
            if fault:
                self.faults[fault] += 1
                await self._fail(fault, ask)
                return
            await _send(ask.writer, await self._completion(ask))
            self.answered[ask.key] += 1
            if self.answered.total() == self.dies_after:
                self.dies_after = None
                self._ending.set()
        finally:
            self._at_once -= 1

    def _metrics(self) -> str:
        """What vLLM's page has, as if each answer had found 6 of its 10 tokens in the cache."""
        number = self.answered.total() + self.before
        return (
            "# HELP vllm:prefix_cache_queries_total tokens\n"
            f'vllm:prefix_cache_queries_total{{engine="0",model_name="m"}} {10.0 * number}\n'
            f'vllm:prefix_cache_queries_created{{engine="0",model_name="m"}} 1.7e+09\n'
            f'vllm:prefix_cache_hits_total{{engine="0",model_name="m"}} {6.0 * number}\n'
        )

    def _draw(self, ask: _Ask) -> str | None:
        draw = random.Random(f"{self.seed}:{json.loads(ask.body)['seed']}:{self.asked[ask.key]}")
        return draw.choice(self.kinds) if draw.random() < self.rate else None

    async def _completion(self, ask: _Ask, *, seed: int = 0, **changes: Any) -> bytes:
        """What vLLM would send around the scripted engine's answer. `seed` makes it the answer to another request."""
        body = json.loads(ask.body)
        request = Request(
            tuple(Message(**message) for message in body["messages"]),
            json.dumps(body["response_format"]["json_schema"]["schema"]),
            Sampling(**{name: body[name] for name in Sampling.model_fields}),
            body["seed"] + seed,
        )
        settings = Settings(kind="scripted", model=body["model"], junk=self.junk)
        answer: Response = await ScriptedEngine(settings).complete(request)
        message = {"role": "assistant", "content": changes.get("content", answer.text)}
        usage = {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.output_tokens,
            "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
        }
        completion = {
            "id": f"chatcmpl-{changes.get('identity', ask.identity)}",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": changes.get("finish", answer.finish)}],
            "usage": usage,
        }
        return json.dumps(completion).encode()

    async def _fail(self, kind: str, ask: _Ask) -> None:
        writer, whole = ask.writer, await self._completion(ask)
        match kind:
            case "429" | "503" | "500" | "401":
                status, said = _STATUS[kind]
                echo = ask.headers.get("authorization", "nothing") if said.endswith(" ") else ""
                error = json.dumps({"error": {"message": f"{said}{echo}", "code": status}}).encode()
                await _send(writer, error, f"{status} Error", "Retry-After: 0")
            case "refused" | "too_long":
                said = "maximum context length is 8192 tokens" if kind == "too_long" else "schema is not supported"
                await _send(writer, json.dumps({"error": {"message": said}}).encode(), "400 Bad Request")
            case "reset" | "closed":
                _reset(writer) if kind == "reset" else writer.close()
            case "cut" | "short":
                writer.write(_head(len(whole)) + whole[: len(whole) // 2])
                await writer.drain()
                _reset(writer) if kind == "cut" else writer.close()
            case "hang":
                await ask.reader.read()  # until the other side has had enough
                writer.close()
            case "drip":
                writer.write(_head(10**6))
                while True:  # until the other side has had enough: then `drain` raises
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "half":
                await _send(writer, whole[: len(whole) // 2])
            case "html":
                await _send(writer, b"<html><h1>Sign in to the hotel's network</h1></html>", kind="text/html")
            case "wrong":  # as if a proxy had mixed two up: the same run's, but for another request
                other = ask.identity.replace(ask.identity[9:41], hashlib.md5(ask.body).hexdigest())
                await _send(writer, await self._completion(ask, seed=1, identity=other))
            case "empty":
                await _send(writer, b"")
            case "shape":
                await _send(writer, b'{"object": "list", "data": [], "choices": []}')
            case "huge":
                await _send(writer, b" " * 5_000_000)
            case "garbled":
                await _send(writer, whole, "200 OK", "Content-Encoding: gzip")
            case "not_http":
                writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
                writer.close()
            case "abort" | "error":
                await _send(writer, await self._completion(ask, finish=kind))
            case "null":
                await _send(writer, await self._completion(ask, content=None))
            case _:
                raise ValueError(f"unknown fault {kind!r}")


def _head(length: int, status: str = "200 OK", *more: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def _send(writer: asyncio.StreamWriter, body: bytes, *head: str, kind: str = "application/json") -> None:
    writer.write(_head(len(body), *head, kind=kind) + body)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN: what is not read yet is lost."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server of scripted answers, on loopback.")
    for name, default in (("port", 0), ("seed", 0), ("rate", 0.0), ("latency", 0.0), ("junk", 0.0)):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{default} by default")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=PASSING, help="faults, comma-separated")
    server = LlmServer(**vars(parser.parse_args()))
    server.start()
    print(server.port, flush=True)
    server.wait()


if __name__ == "__main__":
    main()
