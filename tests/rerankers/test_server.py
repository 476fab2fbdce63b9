"""The server reranker against a real HTTP server on loopback."""

from typing import Any

import numpy as np
import pytest

from synth import rerankers, servers
from synth.errors import ModelError
from synth.rerankers.server import Settings
from tests.model_server import ModelServer, served


def rerank(path: str, body: Any) -> tuple[int, Any]:
    """Score by length, and answer best first, as Jina's API does."""
    found = [{"index": at, "relevance_score": len(text) / 10} for at, text in enumerate(body["documents"])]
    return 200, {"results": sorted(found, key=lambda one: -one["relevance_score"])}


def opened(server: ModelServer, **settings: Any) -> Any:
    return rerankers.opened(Settings(kind="server", model="m", url=server.url, **settings))


def test_documents_of_a_query_go_together_and_scores_come_back_in_place() -> None:
    with served(rerank) as server, opened(server, batch_size=2, in_flight=1) as reranker:
        found = reranker.scores([("q", "aaa"), ("r", "b"), ("q", "c"), ("q", "dd")])
        assert reranker.scores([]).shape == (0,)
    assert [(path, body) for path, _, body in server.seen] == [
        (
            "/v1/rerank",
            {"model": "m", "query": query, "documents": texts, "top_n": len(texts), "return_documents": False},
        )
        for query, texts in (("q", ["c", "dd"]), ("q", ["aaa"]), ("r", ["b"]))
    ]
    np.testing.assert_array_equal(found, np.array([0.3, 0.1, 0.1, 0.2], np.float32))


def test_query_and_passage_are_cut_each_for_itself_and_never_the_prompt() -> None:
    """`truncate_prompt_tokens` would cut the question off that a template asks at the end: bench/pooling.py."""
    settings = {"instruction": "Find the code", "max_query_tokens": 9, "max_passage_tokens": 16}
    with served(rerank) as server, opened(server, **settings) as reranker:
        reranker.scores([("q", "a")])
    assert server.seen[0][2] == {
        "model": "m", "query": "q", "documents": ["a"], "top_n": 1, "return_documents": False,
        "instruction": "Find the code", "max_tokens_per_query": 9, "max_tokens_per_doc": 16,
    }  # fmt: skip


def test_a_pair_that_is_too_long_is_answered_with_the_settings_that_cut_it() -> None:
    with (
        served(lambda path, body: (400, {"error": "too long"})) as server,
        opened(server) as reranker,
        pytest.raises(ModelError) as raised,
    ):
        reranker.scores([("q", "a")])
    assert "set reranker.max_query_tokens and reranker.max_passage_tokens within" in raised.value.fix


@pytest.mark.parametrize(
    "bad",
    [
        {"results": [{"index": 0, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": 0.5}, {"index": 0, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": 0.5}, {"index": 1, "relevance_score": "high"}]},
        {"data": []},
    ],
)
def test_an_answer_that_lacks_a_score_is_asked_for_again(bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "FIRST_PAUSE", 0.0)
    with served(rerank) as server, opened(server) as reranker:
        server.first = [(200, bad)]
        assert reranker.scores([("q", "a"), ("q", "bb")]).tolist() == [pytest.approx(0.1), pytest.approx(0.2)]
    assert len(server.seen) == 2


def test_logits_are_no_probabilities() -> None:
    with served(rerank) as server, opened(server) as reranker, pytest.raises(ModelError, match=r"a score of 1\.5"):
        reranker.scores([("q", "a" * 15)])
