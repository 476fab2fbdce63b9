"""The server encoder against a real HTTP server on loopback that says what it was told to say."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from synth import encoders, servers
from synth.encoders import Encoder
from synth.encoders.server import Settings
from synth.errors import ConfigError, ModelError
from synth.settings import parse
from tests.model_server import ModelServer, served


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "FIRST_PAUSE", 0.0)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with served(embeddings) as running:
        yield running


def vector(text: str) -> list[float]:
    return [3.0 * len(text), 4.0 * len(text)]


def embeddings(path: str, body: Any) -> tuple[int, Any]:
    """Answer as OpenAI's API does, last text first."""
    data = [
        {"index": at, "embedding": base64.b64encode(np.array(vector(text), "<f4").tobytes()).decode()}
        for at, text in enumerate(body["input"])
    ]
    return 200, {"data": data[::-1]}


def decimals(path: str, body: Any) -> tuple[int, Any]:
    return 200, {"data": [{"index": at, "embedding": vector(text)} for at, text in enumerate(body["input"])]}


def encoder(*running: ModelServer, **settings: Any) -> Any:
    urls = [one.url for one in running]
    return encoders.opened(Settings(kind="server", model="m", url=urls if len(urls) > 1 else urls[0], **settings))


def test_batches_of_like_length_in_the_order_asked(server: ModelServer) -> None:
    with encoder(server, batch_size=2, batch_characters=9, in_flight=1, query_prompt="q:", dimensions=2) as opened:
        found = opened.documents(["ccc", "a", "dddddddddddd", "bb", "e"])
        opened.queries(["a"])
    assert [(path, body) for path, _, body in server.seen] == [
        ("/v1/embeddings", {"model": "m", "input": texts, "encoding_format": "base64", "dimensions": 2})
        for texts in (["a", "e"], ["bb", "ccc"], ["dddddddddddd"], ["q:a"])
    ]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[0.6, 0.8]] * 5, np.float32))


def test_texts_are_cut_by_the_server_where_the_settings_say_so(server: ModelServer) -> None:
    with encoder(server, max_tokens=16) as opened:
        opened.documents(["a"])
    assert server.seen[0][2] == {
        "model": "m", "truncate_prompt_tokens": 16, "input": ["a"], "encoding_format": "base64",
    }  # fmt: skip


def test_each_vector_is_at_its_text_s_place_whatever_the_order_of_the_answer(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "vector", lambda text: [float(text == name) for name in ("a", "bb", "ccc")])
    with encoder(server) as opened:
        np.testing.assert_array_equal(opened.documents(["ccc", "a", "bb"]), np.eye(3, dtype=np.float32)[[2, 0, 1]])


def test_decimals_are_understood_and_no_texts_have_the_same_dimensions(server: ModelServer) -> None:
    server.answer = decimals
    with encoder(server) as opened:
        assert opened.queries([]).shape == (0, 2)
        np.testing.assert_array_equal(opened.queries(["x"]), np.array([[0.6, 0.8]], np.float32))
        assert opened.documents([]).shape == (0, 2)
    assert [body["input"] for _, _, body in server.seen] == [["."], ["x"]]


@pytest.mark.parametrize(
    "bad",
    [
        (429, {"error": "busy"}),
        (503, {"error": "loading"}),
        (200, {"data": []}),
        (200, {"data": [{"index": 1, "embedding": [1.0]}]}),
        (200, {"data": [{"index": 0, "embedding": "?"}]}),
        (200, {"data": [{"index": 0, "embedding": []}]}),
        (200, {"error": "none"}),
        (200, b"<html>"),
    ],
)
def test_what_may_be_better_another_time_is_tried_again(server: ModelServer, bad: tuple[int, Any]) -> None:
    server.first = [bad, bad]
    with encoder(server, tries=3) as opened:
        assert opened.documents(["a"]).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]
    assert len(server.seen) == 3


def test_the_last_try_ends_the_run(server: ModelServer) -> None:
    server.first = [(500, {"error": "out of memory"})] * 3
    with encoder(server, tries=3) as opened, pytest.raises(ModelError) as raised:
        opened.documents(["a"])
    assert raised.value.what == f'embedder: {server.url}: HTTP 500: {{"error": "out of memory"}} (3 tries)'


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_what_will_not_be_better_is_not_tried_again(server: ModelServer, status: int) -> None:
    server.first = [(status, {"error": "no such model"})]
    with encoder(server) as opened, pytest.raises(ModelError) as raised:
        opened.documents(["a"])
    assert raised.value.what == f'embedder: {server.url}: HTTP {status}: {{"error": "no such model"}}'
    check = "check embedder.url, embedder.model, and the key in $SYNTH_EMBEDDER_API_KEY"
    too_long = "if a text is too long, set embedder.max_tokens within the model's limit; else "
    assert raised.value.fix == (too_long + check if status == 400 else check)
    assert len(server.seen) == 1


@pytest.mark.parametrize("odd", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_vectors_without_a_direction_are_refused(server: ModelServer, odd: list[float]) -> None:
    server.answer = lambda path, body: (200, {"data": [{"index": 0, "embedding": odd}]})
    with encoder(server) as opened, pytest.raises(ModelError, match="'m' gave vectors that are zero or not finite"):
        opened.documents(["a"])


def test_other_dimensions_than_asked_for_or_before_are_refused(server: ModelServer) -> None:
    with encoder(server, dimensions=3) as opened, pytest.raises(ModelError, match="of 2 dimensions, 3 were asked for"):
        opened.documents(["a"])
    with encoder(server) as opened:
        opened.documents(["a"])
        server.answer = lambda path, body: (200, {"data": [{"index": 0, "embedding": [1.0, 0.0, 0.0]}]})
        with pytest.raises(ModelError, match="of 2, 3 dimensions"):
            opened.documents(["a"])


def test_a_key_goes_along_and_is_not_told(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB", "secret-of-ours")
    server.first = [(400, {"error": "secret-of-ours is no key"})]
    with encoder(server, api_key_env="LAB") as opened, pytest.raises(ModelError, match=r"\*\*\*LAB\*\*\* is no key"):
        opened.documents(["a"])
    assert server.seen[0][1]["Authorization"] == "Bearer secret-of-ours"


def test_several_servers_share_the_work_and_stand_in_for_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "FIRST_PAUSE", 1e6)  # nobody waits for the one that is gone, while there are others
    monkeypatch.setattr(servers, "LONGEST_PAUSE", 1e6)
    with served(embeddings) as one, served(embeddings) as two, served(embeddings) as gone:
        gone.stop()
        # Each waits for the other's first request: they would wait for ever if one server got all.
        with encoder(one, two, gone, batch_size=1, in_flight=3) as opened:
            one.meet(two)
            assert opened.documents(["a", "b", "c", "d", "e", "f"]).shape == (6, 2)
        assert sorted(body["input"][0] for server in (one, two) for _, _, body in server.seen) == list("abcdef")
        assert min(len(one.seen), len(two.seen)) >= 1


def test_nobody_there() -> None:
    with served(embeddings) as server:
        server.stop()
        with encoder(server, tries=2) as opened, pytest.raises(ModelError, match=r"Connection refused.*\(2 tries\)"):
            opened.documents(["a"])


def test_nobody_waits_for_a_server_s_pause_once_the_encoder_is_closed(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch is refused for good, while another waits for its second try: an hour, if anybody let it."""
    monkeypatch.setattr(servers, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(servers, "LONGEST_PAUSE", 3600.0)
    server.answer = lambda path, body: (503, {}) if body["input"] == ["a"] else (400, {})
    with pytest.raises(ModelError, match="HTTP 400"), encoder(server, batch_size=1, in_flight=2) as opened:
        opened.documents(["a", "b"])


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://key@host/v1", []])
def test_an_address_that_is_none(url: Any) -> None:
    with pytest.raises(ConfigError, match="url"):
        parse(Settings, {"kind": "server", "model": "m", "url": url}, where="embedder")


def test_where_it_is_served_is_not_part_of_what_it_is() -> None:
    one = Settings(kind="server", model="m")
    elsewhere = Settings(
        kind="server", model="m", url=["http://a/v1"], api_key_env="K", in_flight=1, timeout=1, tries=1, batch_size=1,
        batch_characters=1, cache=False,
    )  # fmt: skip
    assert encoders.identity(one) == encoders.identity(elsewhere)
    assert encoders.identity(one) == {
        "kind": "server", "model": "m", "query_prompt": "", "document_prompt": "", "dimensions": None, "max_tokens": None,
        "revision": None,
    }  # fmt: skip


def test_it_is_an_encoder(server: ModelServer) -> None:
    with encoder(server) as opened:
        found: Encoder = opened
        assert found.model == "m"
