"""The encoder `server`, against small servers on loopback that answer, and fail, as they are told."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from synth import encoders
from synth.encoders import server as module
from synth.encoders.server import Settings
from synth.errors import ModelError

Fault = Callable[[dict[str, Any]], tuple[int, bytes]]


class Server:
    """Answers with [length, 0, 3] for each text, the last first; `faults` are taken instead, one a request."""

    def __init__(self, *faults: Fault, as_lists: bool = False) -> None:
        self.faults, self.as_lists = list(faults), as_lists
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.held: threading.Barrier | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        vectors = [np.array([len(text), 0, 3], "<f4") for text in body["input"]]
        data = [{"index": at, "embedding": self.written(vector)} for at, vector in enumerate(vectors)]
        return {"data": data[::-1]}

    def written(self, vector: Any) -> Any:
        return vector.tolist() if self.as_lists else base64.b64encode(vector.tobytes()).decode()


@contextmanager
def serving(state: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.bodies.append({"path": self.path, **body})
            state.keys.append(self.headers["Authorization"])
            if state.held:
                state.held.wait(20)
            if state.faults:
                status, data = state.faults.pop(0)(state.answer(body))
            else:
                status, data = 200, json.dumps(state.answer(body)).encode()
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


def settings(url: str | list[str], **changes: Any) -> Settings:
    return Settings.model_validate({"kind": "server", "url": url, "model": "m", "in_flight": 1, **changes})


def unit(*lengths: int) -> Any:
    vectors = np.array([[length, 0, 3] for length in lengths], np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("as_lists", [False, True])
def test_vectors_are_of_unit_length_and_in_the_order_of_the_texts(as_lists: bool) -> None:
    with serving(Server(as_lists=as_lists)) as server, encoders.opened(settings(server.url)) as encoder:
        found = encoder.documents(["abcd", "", "ab"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, unit(4, 0, 2))
    assert server.bodies == [
        {"path": "/v1/embeddings", "model": "m", "input": ["abcd", "", "ab"], "encoding_format": "base64"}
    ]
    assert (server.keys, encoder.model) == ([None], "m")


def test_what_is_asked_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_SECRET", "k-123456789")
    own = {"query_prompt": "query: ", "dimensions": 8, "max_tokens": 16, "api_key_env": "OUR_SECRET"}
    with serving(Server()) as server, encoders.opened(settings(server.url, **own)) as encoder:
        encoder.queries(["a"])
        encoder.documents(["a"])
    asked = {"path": "/v1/embeddings", "model": "m", "encoding_format": "base64"} | {
        "dimensions": 8, "truncate_prompt_tokens": 16,
    }  # fmt: skip
    assert server.bodies == [asked | {"input": ["query: a"]}, asked | {"input": ["a"]}]
    assert server.keys == ["Bearer k-123456789"] * 2


def test_batches_are_bounded_by_number_and_by_characters() -> None:
    texts = ["1", "22", "333", "4444", "a text of more than ten", "6", "7"]
    bounds = {"batch_size": 3, "batch_characters": 10}
    with serving(Server()) as server, encoders.opened(settings(server.url, **bounds)) as encoder:
        np.testing.assert_array_equal(encoder.documents(texts), unit(*map(len, texts)))
    assert [body["input"] for body in server.bodies] == [texts[:3], texts[3:4], texts[4:5], texts[5:]]


def test_without_texts_the_server_says_the_dimensions() -> None:
    with serving(Server()) as server, encoders.opened(settings(server.url)) as encoder:
        assert encoder.queries([]).shape == (0, 3)


def altered(change: Callable[[dict[str, Any]], Any]) -> Fault:
    return lambda answer: (200, json.dumps(change(answer)).encode())


PASSING: dict[str, Fault] = {
    "429": lambda _: (429, b"later"),
    "503": lambda _: (503, b"loading"),
    "closed": lambda _: (0, b""),
    "html": lambda _: (200, b"<html>"),
    "shape": altered(lambda _: {"data": [1]}),
    "one too few": altered(lambda answer: {"data": answer["data"][1:]}),
    "one twice": altered(lambda answer: {"data": [answer["data"][0]] * 2}),
    "ragged": altered(lambda answer: {"data": [answer["data"][0], {"index": 0, "embedding": [1.0]}]}),
    "garbled": altered(lambda answer: {"data": [answer["data"][0], {"index": 0, "embedding": "%%"}]}),
    "a number": altered(lambda _: {"data": [{"index": 0, "embedding": 1}, {"index": 1, "embedding": 2}]}),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_a_try(fault: str) -> None:
    with serving(Server(PASSING[fault], PASSING[fault])) as server, encoders.opened(settings(server.url)) as encoder:
        np.testing.assert_array_equal(encoder.documents(["abc", "a"]), unit(3, 1))
    assert len(server.bodies) == 3


def test_the_last_try_ends_the_run_with_the_reason() -> None:
    with serving(Server(*[PASSING["503"]] * 3)) as server, encoders.opened(settings(server.url, tries=3)) as encoder:
        with pytest.raises(ModelError) as found:
            encoder.documents(["a"])
        assert found.value.what == f"embedder 'm' at {server.url}: does not answer, after 3 tries: HTTP 503: loading"


def test_what_no_try_mends_ends_the_run_at_once_and_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_EMBEDDER_API_KEY", "k-123456789")
    refusal = Server(lambda _: (401, b"no such key: k-123456789"))
    with serving(refusal) as server, encoders.opened(settings(server.url)) as encoder:
        with pytest.raises(ModelError) as found:
            encoder.documents(["a"])
        assert found.value.what == (
            f"embedder 'm' at {server.url}: HTTP 401: no such key: ***SYNTH_EMBEDDER_API_KEY***"
        )
    assert len(server.bodies) == 1


@pytest.mark.parametrize("vector", [[0.0, 0.0, 0.0], [1.0, float("nan"), 0.0]])
def test_vectors_that_are_none_end_the_run(vector: list[float]) -> None:
    bad = Server(altered(lambda _: {"data": [{"index": 0, "embedding": vector}]}))
    with (
        serving(bad) as server,
        encoders.opened(settings(server.url)) as encoder,
        pytest.raises(ModelError, match="zero or not finite"),
    ):
        encoder.documents(["a"])


def test_requests_go_to_the_server_with_the_fewest_under_way() -> None:
    one, other = Server(), Server()
    one.held = other.held = threading.Barrier(4)  # nobody answers until each server has two
    with serving(one), serving(other):
        own = settings([one.url, other.url], batch_size=1, in_flight=4)
        with encoders.opened(own) as encoder:
            np.testing.assert_array_equal(encoder.documents(["a", "ab", "abc", "abcd"]), unit(1, 2, 3, 4))
    assert (len(one.bodies), len(other.bodies)) == (2, 2)


def test_a_server_that_has_gone_leaves_its_texts_to_the_other() -> None:
    with serving(Server()) as gone:
        pass
    with serving(Server()) as server, encoders.opened(settings([gone.url, server.url])) as encoder:
        np.testing.assert_array_equal(encoder.documents(["abc"]), unit(3))
    assert len(server.bodies) == 1


def test_where_it_is_served_is_not_part_of_what_it_is() -> None:
    one = settings("http://a/v1")
    moved = settings(["http://b/v1", "http://c/v1"], in_flight=9, timeout=1, tries=2, batch_size=1, cache=False)
    assert encoders.identity(one) == encoders.identity(moved)
    assert encoders.identity(one) != encoders.identity(settings("http://a/v1", query_prompt="query: "))
