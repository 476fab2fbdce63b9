"""A server of chat completions that answers at once, or after a fixed time, and does nothing else: what is measured
against it is the client. HTTP/1.1, kept alive, on loopback; answers are named after X-Request-Id, as vLLM names them.

    python bench/instant.py [--latency 0.05] [--core 1]       prints its port

GET /stats returns the requests answered and the CPU-seconds they took: what it could do at most.
"""

import argparse
import asyncio
import contextlib
import json
import os
import time
from typing import Any

CONTENT = json.dumps({"query": "What is known about the copper trade of the seventh valley, and why?"})
_BODY = {
    "id": "chatcmpl-",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "instant",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": CONTENT}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 160, "completion_tokens": 20, "total_tokens": 180},
}
_OPENING, _REST = (part.encode() for part in json.dumps(_BODY).split("chatcmpl-"))
_OPENING += b"chatcmpl-"
_MODELS = json.dumps({"object": "list", "data": [{"id": "instant", "object": "model", "owned_by": "bench"}]}).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Instant(asyncio.Protocol):
    answered = 0

    def __init__(self, latency: float) -> None:
        self._latency, self._data = latency, b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport  # an asyncio.Transport in all but uvloop's type

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            length = int(_header(head, b"content-length") or 0)
            if len(self._data) < end + 4 + length:
                if _header(head, b"expect"):
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self._data = self._data[end + 4 + length :]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        close = _header(head, b"connection").lower() == b"close"  # who asks for it may wait for the end
        if head.startswith(b"GET /stats"):
            stats = {"answered": Instant.answered, "cpu": time.process_time()}
            self._send(json.dumps(stats).encode(), close)
        elif head.startswith(b"GET"):
            self._send(_MODELS, close)
        else:
            Instant.answered += 1
            body = _OPENING + (_header(head, b"x-request-id") or b"%d" % Instant.answered) + _REST
            if self._latency:
                self._loop.call_later(self._latency, self._send, body, close)
            else:
                self._send(body, close)

    def _send(self, body: bytes, close: bool) -> None:
        self._transport.write(_HEAD % len(body) + body)
        if close:
            self._transport.close()


def _header(head: bytes, name: bytes) -> bytes:
    """Return a header's value, or nothing; `name` in small letters."""
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    end = head.find(b"\r\n", at + 2)
    return head[at + len(name) + 3 : end if end >= 0 else None].strip()


async def serve(latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Instant(latency), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    arguments = argparse.ArgumentParser(description="A server that answers at once.")
    arguments.add_argument("--latency", type=float, default=0.0, help="seconds; 0 by default")
    arguments.add_argument("--core", type=int, help="the one core that it may use")
    given = arguments.parse_args()
    if given.core is not None:
        with contextlib.suppress(AttributeError, OSError):  # not everywhere, and not for everyone
            os.sched_setaffinity(0, {given.core})
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(given.latency))
    else:
        uvloop.run(serve(given.latency))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
