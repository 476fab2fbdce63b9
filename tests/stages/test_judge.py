from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth.config import Config, Negatives
from synth.config import Judge as Rule
from synth.errors import ConfigError
from synth.index import PassageIndex
from synth.rerankers.lexical import LexicalReranker
from synth.schemas import MINED, RERANKED, conform, table
from synth.settings import parse
from synth.stages.judge import judge
from synth.stages.negatives import mine
from synth.stages.rerank import Judge, rerank
from tests.rows import clustered, clusters, indexed, reranked

QUERY = "how do otters sleep"
TEXTS = [
    "Otters do sleep on their backs.",
    "Copper has been mined on Cyprus since the fourth millennium before our era.",
    "How otters hunt, and how they crack shells with a stone that they carry along.",
    "Beavers sleep in lodges of branches and mud, with an entrance that lies under water.",
    "OTTERS do sleep on their backs!",
    "How do otters sleep? On water, as a rule, wrapped in kelp, and paw in paw.",
    "Latin has six cases, of which the vocative differs from the nominative in one declension only.",
]
DOCUMENTS = ["a", "b", "c", "d", "e", "f", "a"]
CANDIDATES = [(4, 0.80), (5, 0.55), (2, 0.54), (3, 0.53), (6, 0.52), (1, 0.10)]


@pytest.fixture
def passages(tmp_path: Path) -> Iterator[PassageIndex]:
    with indexed(tmp_path, TEXTS, DOCUMENTS) as opened:
        yield opened


def read(passages: PassageIndex, *, most: int = 20, rule: dict[str, Any] | None = None, **row: Any) -> Any:
    given = {"query": QUERY, "passage": TEXTS[0], "document_id": "a", "candidates": CANDIDATES, "cosine": 0.6} | row
    resource = Judge(LexicalReranker(), passages)
    return conform(
        rerank(
            clusters(clustered(**given)), resource, candidates=most, rule=Negatives(**rule or {}),
            ranked=frozenset({"retrieval"}),
        ),
        RERANKED,
    )  # fmt: skip


def seen(rows: Any) -> tuple[float | None, list[tuple[int, float | None]]]:
    (row,) = rows.to_pylist()
    scores = zip(row["candidates"], row["candidate_reranks"], strict=True)
    return row["positive_rerank"], [(one["row"], score) for one, score in scores]


@pytest.mark.parametrize(
    ("rule", "most", "expected"),
    [
        # 4 is the positive in other letters, 6 of its document.
        ({}, 20, [(5, 1.0), (2, 0.5), (3, 0.25), (1, 0.0)]),
        ({}, 2, [(5, 1.0), (2, 0.5)]),
        ({}, 0, []),
        ({"skip": 1}, 2, [(5, None), (2, 0.5), (3, 0.25)]),
        ({"same_document": True}, 4, [(5, 1.0), (2, 0.5), (3, 0.25), (6, 0.0)]),
        ({"max_positive_ratio": 0.895}, 2, [(3, 0.25), (1, 0.0)]),
    ],
)
def test_what_may_be_a_negative_is_read_and_the_rest_is_left_out(
    passages: PassageIndex, rule: dict[str, Any], most: int, expected: list[tuple[int, float | None]]
) -> None:
    assert seen(read(passages, rule=rule, most=most)) == (0.75, expected)


@pytest.mark.parametrize(
    "row",
    [
        {"status": "rejected", "reason": "duplicate", "detail": "of b"},
        {"task": "sts", "candidates": [], "rank": None},
    ],
)
def test_rows_that_are_out_or_of_texts_are_not_read(passages: PassageIndex, row: dict[str, Any]) -> None:
    rows = read(passages, **row)
    assert seen(rows) == (None, [])
    assert judge(rows, None, settings=Rule(min_positive=1.0)).column("reason").to_pylist() == [row.get("reason")]


def judged(*, status: str = "ok", **settings: Any) -> tuple[list[int], str | None, str | None]:
    row = reranked(
        positive_rerank=0.8,
        candidate_reranks=[None, 0.76, 0.5, 0.1],
        candidates=[(0, 0.5), (1, 0.4), (2, 0.3), (3, 0.2)],
    )
    (found,) = conform(judge(table(RERANKED, [row]), None, settings=Rule(**settings)), RERANKED).to_pylist()
    assert len(found["candidate_reranks"]) == len(found["candidates"])
    return [one["row"] for one in found["candidates"]], found["reason"], found["detail"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ([0, 1, 2, 3], None, None)),
        ({"min_positive": 0.75}, ([0, 1, 2, 3], None, None)),
        ({"min_positive": 0.9}, ([0, 1, 2, 3], "not_relevant", "0.80")),
        ({"max_negative": 0.5}, ([0, 3], None, None)),
        ({"max_negative": 0.51}, ([0, 2, 3], None, None)),
        ({"max_negative_ratio": 0.94}, ([0, 2, 3], None, None)),
        ({"max_negative_ratio": 0.96}, ([0, 1, 2, 3], None, None)),
        ({"max_negative": 0.05, "max_negative_ratio": 2.0}, ([0], None, None)),
        ({"max_negative": 0.7, "max_negative_ratio": 0.1, "min_positive": 1.0}, ([0], "not_relevant", "0.80")),
    ],
)
def test_each_threshold(settings: dict[str, Any], expected: tuple[list[int], str | None, str | None]) -> None:
    assert judged(**settings) == expected


def test_scores_come_with_the_negatives_and_the_same_are_skipped(passages: PassageIndex) -> None:
    rows = judge(read(passages, rule={"skip": 1}), None, settings=Rule(max_negative=0.5))
    found = conform(
        mine(rows, passages, settings=Negatives(skip=1), mining=frozenset({"retrieval"})), MINED
    ).to_pylist()[0]
    assert [TEXTS.index(text) for text in found["negatives"]] == [3, 1]
    assert (found["positive_rerank"], found["negative_reranks"]) == (0.75, [0.25, 0.0])
    assert "candidate_reranks" not in found


CONFIG = {
    "name": "run",
    "corpus": {"path": "examples/corpus/documents.jsonl"},
    "tasks": {"retrieval": {}},
    "engine": {"kind": "scripted"},
    "embedder": {"kind": "hashing"},
}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"judge": {"min_positive": 0.5}}, "judge: there is no `reranker` that could"),
        ({"reranker": None, "judge": {"max_negative": 0.5}}, "judge: there is no `reranker` that could"),
        (
            {"reranker": {"kind": "lexical"}, "judge": {"candidates": 4}},
            "judge: candidates (4) is less than negatives.per_query (5)",
        ),
        ({"reranker": {}}, "reranker: `kind` is missing"),
        ({"reranker": {"kind": "lexicall"}}, "rerankers: unknown name 'lexicall'; did you mean 'lexical'?"),
    ],
)
def test_what_cannot_be_judged_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(Config, CONFIG | settings, where="")
    assert raised.value.what == said


def test_without_a_reranker_nothing_is_judged() -> None:
    assert parse(Config, CONFIG | {"reranker": None}, where="").reranker is None
