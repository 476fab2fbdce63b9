"""The server engine against real HTTP servers on loopback: one that says what it was told to say, and tests/llm_server.py."""

import asyncio
import email.utils
import gc
import hashlib
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from synth.engines import Request, RequestFailed, Response, Sampling, _chat, server
from synth.engines.server import ServerEngine, Settings
from synth.errors import ConfigError, ModelError
from synth.prompts import Message
from synth.settings import parse
from tests.llm_server import LlmServer

SCHEMA = '{"type": "object", "properties": {"sure": {"const": true}}}'
REQUEST = Request((Message("user", "Hello"),), SCHEMA, Sampling(), seed=5)
NOW = 1_800_000_000.0
IN_30_S = email.utils.formatdate(NOW + 30, usegmt=True)


class Server(ThreadingHTTPServer):
    """Gives `replies` one by one: (status, headers, body)."""

    replies: list[tuple[int, dict[str, str], Any]]
    seen: list[tuple[str, dict[str, str], Any]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        status, headers, reply = self.server.replies.pop(0)
        if isinstance(reply, dict) and "id" in reply:
            reply = reply | {"id": reply["id"].replace("ASKED", self.headers["X-Request-Id"])}
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def told() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        made.replies, made.seen = [], []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the engine would have slept, with no jitter (the lower end of it) and no time passing."""
    slept: list[float] = []
    really = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await really(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    monkeypatch.setattr("time.time", lambda: NOW)
    return slept


def settings(url: str, **changes: Any) -> Settings:
    return Settings(kind="server", model="m", url=url, **changes)


def complete(told: Server, *replies: tuple[int, dict[str, str], Any], **changes: Any) -> Response:
    told.replies = list(replies)
    with server.open(settings(told.url, **changes)) as engine:
        return asyncio.run(engine.complete(REQUEST))


def answer(text: str | None = "{}", finish: str = "stop", **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}], "usage": usage, **more}


def test_a_request_goes_out_whole_and_an_answer_comes_back(told: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_API_KEY", "secret\n")
    assert complete(told, (200, {}, answer()), chat_template_kwargs={"enable_thinking": False}) == Response(
        "{}", "stop", prompt_tokens=9, cached_tokens=4, output_tokens=3
    )
    path, headers, body = told.seen[0]
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
            "json_schema": {"name": "answer", "schema": json.loads(SCHEMA), "strict": True},
        },
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_what_is_left_out_of_an_answer_is_zero(told: Server) -> None:
    bare = {"choices": [{"message": {"content": "é"}, "finish_reason": "length"}], "usage": None, "id": ""}
    assert complete(told, (200, {}, bare)) == Response("é", "length")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(told: Server, pauses: list[float], status: int) -> None:
    assert complete(told, (status, {}, b"later"), (200, {}, answer())).text == "{}"
    assert [body["seed"] for _, _, body in told.seen] == [5, 5]
    assert pauses == [0.5]


def test_pauses_double_unless_the_server_says(told: Server, pauses: list[float]) -> None:
    asked = ["7", "0", IN_30_S, "Wed, 21 Oct 2015 07:28:00 GMT", "86400", "1e400", "-1", "nan", "soon", ""]
    replies = [(503, {"Retry-After": said}, b"") for said in asked] + [(503, {}, b"")] * 2
    with pytest.raises(RequestFailed, match=r"server_error: HTTP 503: \(nothing\)"):
        complete(told, *replies, tries=12)
    assert pauses == [7.0, 0.0, 30.0, 0.0, 60.0, 60.0, 30.0, 30.0, 30.0, 30.0, 30.0]


def test_pauses_have_jitter(told: Server, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    replies = [(503, {}, b"")] * 4 + [(503, {"Retry-After": "8"}, b""), (200, {}, answer())]
    complete(told, *replies)
    assert pauses == [1.5, 3.0, 6.0, 12.0, 10.0]


@pytest.mark.parametrize(
    ("reply", "reason", "tries"),
    [
        ((400, {}, b"maximum context length is 8192"), "prompt_too_long: HTTP 400: maximum context length is 8192", 1),
        ((400, {}, b"bad\n\n  schema"), "refused: HTTP 400: bad schema", 1),
        ((413, {}, b"x" * 201), f"refused: HTTP 413: {'x' * 200}", 1),
        ((422, {}, b""), "refused: HTTP 422: (nothing)", 1),
        ((200, {}, answer(finish="error")), "engine_error: finish_reason 'error'", 1),
        ((200, {}, answer(None)), "engine_error: finish_reason 'stop', no content", 1),
        ((200, {}, answer(None, "tool_calls")), "engine_error: finish_reason 'tool_calls', no content", 1),
        ((200, {}, answer(finish="abort")), "engine_error: finish_reason 'abort'", 2),
        ((204, {}, b""), "bad_reply: reply: Invalid JSON: EOF while parsing a value at line 1 column 0: HTTP 204: (nothing)", 2),
        ((200, {}, b"<html>"), "bad_reply: reply: Invalid JSON: expected value at line 1 column 1: HTTP 200: <html>", 2),
        ((200, {}, b"\xff{}"), "bad_reply: reply: Invalid JSON: expected value at line 1 column 1: HTTP 200: \ufffd{}", 2),
        ((200, {}, b"[" * 9), f"bad_reply: reply: Invalid JSON: EOF while parsing a list at line 1 column 9: HTTP 200: {'[' * 9}", 2),
        ((200, {}, []), "bad_reply: reply: Input should be an object: HTTP 200: []", 2),
        ((200, {}, {"error": 1}), 'bad_reply: choices.0.message.content: Field required: HTTP 200: {"error": 1}', 2),
        ((300, {}, b""), "server_error: HTTP 300: (nothing)", 2),
    ],
)  # fmt: skip
def test_a_bad_reply_costs_its_request(
    told: Server, pauses: list[float], reply: tuple[int, dict[str, str], Any], reason: str, tries: int
) -> None:
    with pytest.raises(RequestFailed) as failure:
        complete(told, reply, reply, tries=2)
    assert (str(failure.value), len(told.seen)) == (reason, tries)


@pytest.mark.parametrize("body", [b"[" * 100_000, json.dumps(answer("\ud800")).encode(), b'{"choices": 1e999}'])
def test_no_json_breaks_the_reader(told: Server, body: bytes) -> None:
    with pytest.raises(RequestFailed, match="bad_reply"):
        complete(told, (200, {}, body), tries=1)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("429", "server_error: HTTP 429: {\"error\": {\"message\": \"too many requests\", \"code\": 429}}"),
        ("503", "server_error: HTTP 503: {\"error\": {\"message\": \"loading\", \"code\": 503}}"),
        ("500", "server_error: HTTP 500: {\"error\": {\"message\": \"you sent Bearer ***SYNTH_API_KEY***\", \"code\": 500}}"),
        ("reset", "server_error: ConnectionResetError: [Errno 104] Connection reset by peer"),
        ("cut", "server_error: ClientPayloadError: Response payload is not completed"),
        ("short", "server_error: ClientPayloadError: Response payload is not completed"),
        ("closed", "server_error: ServerDisconnectedError: Server disconnected"),
        ("hang", "timeout: no whole answer within 0.3 s"),
        ("drip", "timeout: no whole answer within 0.3 s"),
        ("half", "bad_reply: reply: Invalid JSON: EOF while parsing an object"),
        ("html", "bad_reply: reply: Invalid JSON: expected value at line 1 column 1: HTTP 200: <html><h1>Sign in"),
        ("wrong", "wrong_reply: the answer to 'chatcmpl-"),
        ("empty", "bad_reply: reply: Invalid JSON: EOF while parsing a value at line 1 column 0: HTTP 200: (nothing)"),
        ("shape", "bad_reply: choices.0.message.content: Field required: HTTP 200: {\"object\": \"list\", \"data\": []"),
        ("huge", "bad_reply: HTTP 200: more than 4,194,304 bytes"),
        ("garbled", "server_error: ClientPayloadError: 400, message:"),
        ("not_http", "server_error: ClientResponseError: 400, message="),
        ("abort", "engine_error: finish_reason 'abort'"),
        ("error", "engine_error: finish_reason 'error'"),
        ("null", "engine_error: finish_reason 'stop', no content"),
    ],
)  # fmt: skip
def test_each_fault_has_its_reason(fault: str, failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_API_KEY", "sk-do-not-show-me")
    with LlmServer(rate=1, kinds=[fault]) as llm, server.open(settings(llm.url, tries=1, timeout=0.3)) as engine:
        with pytest.raises(RequestFailed) as failed:
            asyncio.run(engine.complete(REQUEST))
        assert str(failed.value)[: len(failure)] == failure
        assert llm.faults == {fault: 1}


def test_each_try_has_an_id_of_its_own(told: Server, pauses: list[float]) -> None:
    complete(told, (500, {}, b""), (500, {}, b""), (200, {}, answer(id="chatcmpl-ASKED")))
    complete(told, (200, {}, answer(id="chatcmpl-ASKED")))
    ids = [headers["X-Request-Id"] for _, _, headers in ((0, 0, headers) for _, headers, _ in told.seen)]
    key = hashlib.blake2b(_chat.body(REQUEST, settings(told.url)), digest_size=16).hexdigest()
    assert [one[8:] for one in ids] == [f"-{key}-0", f"-{key}-1", f"-{key}-2", f"-{key}-0"]
    assert ids[0][:8] == ids[2][:8] != ids[3][:8]


def test_an_answer_to_another_request_is_not_believed_once_ids_are_echoed(told: Server, pauses: list[float]) -> None:
    told.replies = [
        (200, {}, answer("first", id="unknown")),  # so far the server may be of a kind that names answers its own way
        (200, {}, answer("second", id="chatcmpl-ASKED")),
        (200, {}, answer("not mine", id="chatcmpl-another")),
        (200, {}, answer("nobody's", id="")),
        (200, {}, answer("mine", id="chatcmpl-ASKED")),
    ]
    with server.open(settings(told.url)) as engine:
        assert [asyncio.run(engine.complete(REQUEST)).text for _ in range(3)] == ["first", "second", "mine"]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((401, {}, b"no"), "HTTP 401: no\n  fix: check engine.url, engine.model, and the key in $SYNTH_API_KEY"),
        ((403, {}, b"Bearer sk-do-not-show-me"), "HTTP 403: Bearer ***SYNTH_API_KEY***\n  fix: check engine.url, engine"),
        ((404, {}, b"no model"), "HTTP 404: no model\n  fix: check engine.url, engine.model, and the key"),
        ((307, {"Location": "https://u:p@b/v1"}, b""), "HTTP 307: has moved to https://***@b/v1\n  fix: correct engine.url"),
    ],
)  # fmt: skip
def test_what_no_request_can_mend_stops_the_run(
    told: Server, monkeypatch: pytest.MonkeyPatch, reply: tuple[int, dict[str, str], Any], message: str
) -> None:
    monkeypatch.setenv("SYNTH_API_KEY", "sk-do-not-show-me")
    told.replies = [reply]
    with server.open(settings(told.url)) as engine:
        for _ in range(2):  # the second time it is not even asked
            with pytest.raises(ModelError) as error:
                asyncio.run(engine.complete(REQUEST))
            assert str(error.value).startswith(f"engine server: {told.url}: {message}")
    assert len(told.seen) == 1


def test_a_server_that_was_never_there_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTING", 0.2)
    with LlmServer() as llm:
        url = llm.url
    with (
        server.open(settings(url, patience=5)) as engine,
        pytest.raises(
            ModelError, match=r"cannot be reached, for 0 s: ConnectionRefusedError: .*\n  fix: start it \(vllm"
        ),
    ):
        asyncio.run(engine.complete(REQUEST))


def test_all_requests_wait_for_a_server_that_has_gone_and_end_with_one_error(caplog: pytest.LogCaptureFixture) -> None:
    async def all_of_them(engine: ServerEngine) -> list[Any]:
        requests = [Request(REQUEST.messages, SCHEMA, Sampling(), seed=seed) for seed in range(20)]
        return await asyncio.gather(*map(engine.complete, requests), return_exceptions=True)

    caplog.set_level(logging.WARNING, "synth.engines.server")
    with LlmServer(latency=0.3) as llm, server.open(settings(llm.url, patience=0.4, tries=1)) as engine:
        assert {one.text for one in asyncio.run(all_of_them(engine))} == {'{"sure": true}'}
        assert llm.most_at_once == 20
        llm.stop()
        errors = asyncio.run(all_of_them(engine))
    assert len({id(one) for one in errors}) == 1
    assert str(errors[0]).startswith(f"engine server: {llm.url}: cannot be reached, for 0 s: ConnectionRefusedError")
    assert str(errors[0]).endswith("fix: start it again, then run the same command: what it answered is in the journal")
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        f"engine server: {llm.url} cannot be reached"
    ]


def test_waiting_for_a_server_uses_up_no_try(caplog: pytest.LogCaptureFixture) -> None:
    async def meanwhile(engine: ServerEngine, llm: LlmServer) -> Response:
        asked = asyncio.ensure_future(engine.complete(REQUEST))
        while not caplog.records:
            await asyncio.sleep(0.01)
        llm.start()
        return await asked

    caplog.set_level(logging.WARNING, "synth.engines.server")
    with LlmServer() as llm, server.open(settings(llm.url, tries=1)) as engine:
        llm.stop()
        assert asyncio.run(meanwhile(engine, llm)).text == '{"sure": true}'
        assert caplog.records[-1].getMessage() == f"engine server: {llm.url} answers again, after 0 s"


def test_connections_are_closed_with_the_loop_or_with_the_engine() -> None:
    with warnings.catch_warnings(record=True) as caught, LlmServer() as llm:
        warnings.simplefilter("always")
        with server.open(settings(llm.url)) as engine:
            for _ in range(2):  # two loops, each with connections of its own
                asyncio.run(engine.complete(REQUEST))
        loop = asyncio.new_event_loop()
        with server.open(settings(llm.url)) as engine:  # a loop that stands still
            loop.run_until_complete(engine.complete(REQUEST))
        loop.close()

        async def inside() -> None:
            with server.open(settings(llm.url)) as engine:  # a loop that runs
                await engine.complete(REQUEST)

        asyncio.run(inside())
        del engine
        gc.collect()
    assert [str(one.message) for one in caught] == []
    assert llm.answered.total() == 4


def test_a_netrc_is_not_read(told: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    complete(told, (200, {}, answer()))
    assert "Authorization" not in told.seen[0][1]


def test_a_key_that_no_header_can_carry_is_named_without_its_value(
    told: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "“quoted-by-a-word-processor”")
    with pytest.raises(
        ModelError, match=r"\$MY_KEY holds characters that no HTTP header can carry\n  fix: set \$MY_KEY again$"
    ):
        complete(told, api_key_env="MY_KEY")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://host/v1", "http://me:pw@host/v1", "http://h/v1?key=1", "http://"]
)
def test_an_address_is_an_address(url: str) -> None:
    with pytest.raises(ConfigError, match=r"engine.url: string should match pattern"):
        parse(Settings, {"kind": "server", "model": "m", "url": url}, where="engine")


@pytest.mark.parametrize(
    ("url", "variables", "said"),
    [
        ("http://a:b/v1", {}, "cannot be asked"),
        ("http://127.0.0.1:99999/v1", {}, "cannot be asked"),
        ("http://xn--a/v1", {}, "cannot be reached"),
        ("http://127.0.0.1:9/v1", {"ALL_PROXY": "socks5://127.0.0.1:9"}, "cannot be asked: ValueError"),
        ("http://127.0.0.1:9/v1", {"HTTP_PROXY": "gopher://127.0.0.1:9"}, "cannot be asked: ValueError"),
        ("https://127.0.0.1:9/v1", {"SSL_CERT_FILE": "/no/such/file"}, "cannot be asked: FileNotFoundError"),
    ],
)
def test_an_address_or_proxy_that_is_none_stops_the_run_with_one_message(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings(kind="server", model="m", url=url, patience=0.1)
    with pytest.raises(ModelError, match=said) as caught:
        asyncio.run(ServerEngine(settings).complete(REQUEST))
    assert "correct engine.url" in caught.value.fix
