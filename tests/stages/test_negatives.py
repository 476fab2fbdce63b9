from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth import index
from synth.config import Negatives
from synth.index import PassageIndex
from synth.schemas import MINED, NEGATIVES, conform, stable_id
from synth.stages.negatives import mine
from tests.rows import clustered, clusters, embedded, embeddings, indexed

TEXTS = [
    "Otters sleep on their backs and hold each other by the paw, so that the tide does not part them.",
    "Copper has been mined on Cyprus since the fourth millennium before our era.",
    "Latin has six cases, of which the vocative differs from the nominative in one declension only.",
    "Beavers build their lodges of branches and mud, with an entrance that lies under water.",
    "OTTERS sleep on their backs and hold each other by the paw, so that the tide does not part them!",
    "Beavers build their lodges of branches and mud, with an entrance which lies under water.",
    "Otters eat a quarter of their weight a day, and crack shells with a stone.",
]
DOCUMENTS = ["otters", "copper", "latin", "beavers", "copies", "copies", "otters"]
CANDIDATES = [(4, 0.80), (6, 0.59), (3, 0.55), (5, 0.54), (2, 0.20), (1, 0.10)]


@pytest.fixture
def passages(tmp_path: Path) -> Iterator[PassageIndex]:
    with indexed(tmp_path, TEXTS, DOCUMENTS) as opened:
        yield opened


def mined(passages: PassageIndex, row: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    row = {"candidates": CANDIDATES, "cosine": 0.6, **(row or {})}
    rows = clusters(clustered(passage=TEXTS[0], document_id="otters", **row))
    (found,) = conform(
        mine(rows, passages, settings=Negatives(**settings), mining=frozenset({"retrieval"})), MINED
    ).to_pylist()
    found["rows"] = [TEXTS.index(text) for text in found["negatives"] if text in TEXTS]
    return found


def test_hardest_first_with_ids_and_scores(passages: PassageIndex) -> None:
    found = mined(passages)
    # 4 is the positive in other letters, 6 of its document, 5 a near-copy of 3.
    assert found["rows"] == [3, 2, 1]
    assert found["negative_ids"] == [stable_id("passage", TEXTS[row]) for row in (3, 2, 1)]
    assert found["negative_scores"] == pytest.approx([0.55, 0.2, 0.1])
    assert (found["negative_kinds"], found["negative_similarities"]) == (["mined"] * 3, [None] * 3)
    assert (found["status"], found["reason"]) == ("ok", None)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"per_query": 2}, [3, 2]),
        ({"per_query": 0}, []),
        ({"skip": 1}, [2, 1]),
        ({"skip": 1, "per_query": 1}, [2]),
        ({"same_document": True}, [3, 2, 1]),
        ({"same_document": True, "max_positive_ratio": 1.0}, [6, 3, 2, 1]),
        ({"max_positive_ratio": 0.905}, [5, 2, 1]),
        ({"max_positive_ratio": 2.0}, [3, 2, 1]),
    ],
)
def test_each_rule(passages: PassageIndex, settings: dict[str, Any], expected: list[int]) -> None:
    found = mined(passages, **settings)
    assert (found["rows"], found["status"]) == (expected, "ok")


def test_a_shortage_is_counted_and_never_filled(passages: PassageIndex) -> None:
    found = mined(passages, {"candidates": CANDIDATES[:5]}, minimum=3)
    assert (found["rows"], found["status"], found["reason"], found["detail"]) == (
        [3, 2], "rejected", "too_few_negatives", "2",
    )  # fmt: skip


def test_no_candidates_at_all(passages: PassageIndex) -> None:
    assert mined(passages, {"candidates": []})["reason"] == "too_few_negatives"


def test_a_row_that_is_out_keeps_its_reason_and_gets_none(passages: PassageIndex) -> None:
    found = mined(passages, {"status": "rejected", "reason": "duplicate", "detail": "of b"})
    assert (found["rows"], found["reason"], found["detail"]) == ([], "duplicate", "of b")


def test_rows_do_not_mix(passages: PassageIndex) -> None:
    rows = clusters(
        clustered(query="1", passage=TEXTS[0], document_id="otters", cosine=0.6, candidates=CANDIDATES),
        clustered(query="2", passage=TEXTS[0], cosine=None, rank=None, status="failed", reason="engine"),
        clustered(query="3", passage=TEXTS[1], document_id="copper", cosine=0.9, candidates=[(0, 0.4), (2, 0.3)]),
    )
    found = mine(rows, passages, settings=Negatives(per_query=1), mining=frozenset({"retrieval"}))
    assert found.column("negatives").to_pylist() == [[TEXTS[3]], [], [TEXTS[0]]]
    assert found.column("status").to_pylist() == ["ok", "failed", "ok"]


def test_a_row_s_own_negatives_come_first_and_are_exempt_from_the_rules(passages: PassageIndex) -> None:
    own = {"written_negatives": ["Otters never sleep."], "written_scores": [0.75], "written_similarities": [2.5]}
    found = mined(passages, own, per_query=1)
    assert {name: found[name] for name in NEGATIVES} == {
        "negatives": ["Otters never sleep.", TEXTS[3]],
        "negative_ids": ["", stable_id("passage", TEXTS[3])],
        "negative_scores": [0.75, pytest.approx(0.55)],
        "negative_kinds": ["written", "mined"],
        "negative_similarities": [2.5, None],
        "negative_reranks": [None, None],
    }


@pytest.mark.parametrize(("negatives", "reason"), [(["no"], None), ([], "too_few_negatives")])
def test_a_task_of_texts_needs_one_of_its_own(passages: PassageIndex, negatives: list[str], reason: str | None) -> None:
    own = {
        "task": "sts",
        "candidates": [],
        "rank": None,
        "written_negatives": negatives,
        "written_scores": [0.5] * len(negatives),
    }
    found = mined(passages, own, minimum=3)
    assert (found["negatives"], found["reason"]) == (negatives, reason)


def test_neither_a_translation_nor_prose_is_a_negative_of_code(tmp_path: Path) -> None:
    texts = {
        "Otters sleep.": {"parallel": "k"},
        "Les loutres dorment.": {"parallel": "k", "language": "fr", "document_id": "d2"},
        "Les loutres mangent.": {"language": "fr", "document_id": "d3"},
        "def sleep(): ...": {"syntax": "python", "language": "und", "document_id": "d4"},
        "def wake(): ...": {"syntax": "python", "language": "und", "document_id": "d5"},
    }
    rows = [embedded([1, 0], text=text, **{"document_id": "d1", **changes}) for text, changes in texts.items()]
    index.write([embeddings(*rows)], tmp_path, threshold=0.8, ngram=5)
    near = [(row, 0.5 - row / 100) for row in range(5)]
    with index.opened(tmp_path) as passages:
        asked = clusters(
            clustered(query="1", passage="Otters sleep.", parallel="k", candidates=near[1:]),
            clustered(query="2", passage="def sleep(): ...", document_id="d4", candidates=[*near[:3], near[4]]),
        )
        found = (
            mine(asked, passages, settings=Negatives(), mining=frozenset({"retrieval"})).column("negatives").to_pylist()
        )
    assert found == [["Les loutres mangent."], ["def wake(): ..."]]
