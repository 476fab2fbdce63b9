"""The server engine against a real HTTP server on loopback, that says what it was told to say."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from synth.engines import Request, RequestFailed, Response, Sampling
from synth.engines.server import ServerEngine, Settings
from synth.errors import ModelError
from synth.prompts import Message

REQUEST = Request((Message("user", "Hello"),), '{"type": "object"}', Sampling(), seed=5)


class Server(ThreadingHTTPServer):
    """Gives `replies` one by one: (status, headers, body)."""

    replies: list[tuple[int, dict[str, str], Any]]
    seen: list[tuple[str, dict[str, str], Any]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        status, headers, reply = self.server.replies.pop(0)
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        made.replies, made.seen = [], []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def complete(server: Server, *replies: tuple[int, dict[str, str], Any], **settings: Any) -> Response:
    server.replies = list(replies)
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return asyncio.run(ServerEngine(Settings(kind="server", model="m", url=url, **settings)).complete(REQUEST))


def answer(text: str, finish: str = "stop") -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}], "usage": usage}


def test_a_request_goes_out_whole_and_an_answer_comes_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_API_KEY", "secret")
    assert complete(server, (200, {}, answer("{}")), chat_template_kwargs={"enable_thinking": False}) == Response(
        "{}", "stop", prompt_tokens=9, cached_tokens=4, output_tokens=3
    )
    path, headers, body = server.seen[0]
    assert (path, headers["Authorization"]) == ("/v1/chat/completions", "Bearer secret")
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "seed": 5,
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
        "min_p": 0.0,
        "max_tokens": 256,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_what_may_pass_is_tried_again_when_the_server_says(server: Server) -> None:
    later = {"Retry-After": "0"}
    assert complete(server, (429, later, b""), (503, later, b""), (200, {}, answer("{}", "length"))).finish == "length"
    assert [body["seed"] for _, _, body in server.seen] == [5, 5, 5]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((400, {}, b"maximum context length is 8192"), "prompt_too_long"),
        ((400, {}, b"bad schema"), "refused"),
        ((200, {}, b"<html>proxy</html>"), "bad_reply"),
        ((200, {}, {"choices": []}), "bad_reply"),
        ((200, {}, answer("{}", "error")), "engine_error"),
    ],
)
def test_a_bad_reply_costs_its_request(server: Server, reply: tuple[int, dict[str, str], Any], reason: str) -> None:
    with pytest.raises(RequestFailed) as failure:
        complete(server, reply)
    assert failure.value.reason == reason


def test_tries_are_bounded(server: Server) -> None:
    with pytest.raises(RequestFailed, match="server_error: HTTP 500: down"):
        complete(server, *[(500, {"Retry-After": "0"}, b"down")] * 2, tries=2)


@pytest.mark.parametrize("status", [401, 404])
def test_what_no_request_can_mend_stops_the_run(server: Server, status: int) -> None:
    with pytest.raises(ModelError, match=rf"HTTP {status}: no.*\n  fix: check engine.url, engine.model, and the key"):
        complete(server, (status, {}, b"no"))


def test_no_server_stops_the_run() -> None:
    settings = Settings(kind="server", model="m", url="http://127.0.0.1:9/v1", tries=1)
    with pytest.raises(ModelError, match=r"cannot be reached: ConnectError"):
        asyncio.run(ServerEngine(settings).complete(REQUEST))
