from pathlib import Path

import numpy as np
import pytest

from synth import encoders, index
from synth.encoders.hashing import Settings
from synth.schemas import SCORED, conform
from synth.stages.score import Scorer, score
from synth.tasks import Shape
from tests.rows import embedded, embeddings, pair, pairs

SHAPES = {"retrieval": Shape(), "sts": Shape(positive="text", symmetric=True), "classification": Shape(positive="text")}
OTTERS = "Otters sleep on their backs and hold each other by the paw."
COPPER = "Copper has been mined on Cyprus since antiquity."
LATIN = "Latin has six cases, and the vocative is one of them."


@pytest.fixture
def scorer(tmp_path: Path):
    with encoders.opened(Settings(kind="hashing")) as encoder:
        texts = [OTTERS, COPPER, LATIN]
        rows = [embedded(vector, text=text) for text, vector in zip(texts, encoder.documents(texts), strict=True)]
        index.write([embeddings(*rows)], tmp_path, threshold=0.8, ngram=5)
        with index.opened(tmp_path) as passages:
            yield Scorer(encoder, passages)


def test_cosine_rank_and_candidates_of_what_is_in_the_running(scorer: Scorer) -> None:
    rows = pairs(
        pair(query="how do otters sleep", passage=OTTERS),
        pair(query="", passage=COPPER, status="failed", reason="engine"),
        pair(query="the six cases of Latin copper", passage=COPPER),
    )
    found = conform(score(rows, scorer, candidates=5, shapes=SHAPES), SCORED).to_pylist()
    queries = scorer.encoder.queries(["how do otters sleep", "the six cases of Latin copper"])
    cosines = queries @ np.asarray(scorer.passages.vectors, np.float32).T
    assert [row["rank"] for row in found] == [1, None, 2]
    assert [row["cosine"] for row in found] == [
        pytest.approx(cosines[0, 0], abs=1e-6), None, pytest.approx(cosines[1, 1], abs=1e-6)
    ]  # fmt: skip
    assert found[1]["candidates"] == []
    assert sorted(candidate["row"] for candidate in found[0]["candidates"]) == [1, 2]
    assert [candidate["row"] for candidate in found[2]["candidates"]] == [2, 0]
    assert found[2]["candidates"][0]["score"] == pytest.approx(cosines[1, 2], abs=1e-6)


def test_a_shard_with_nothing_in_the_running(scorer: Scorer) -> None:
    rows = pairs(pair(status="rejected", reason="copied"))
    found = conform(score(rows, scorer, candidates=5, shapes=SHAPES), SCORED).to_pylist()
    assert [(row["cosine"], row["rank"], row["candidates"]) for row in found] == [(None, None, [])]


def test_a_positive_that_is_no_passage_is_embedded_and_so_are_written_negatives(scorer: Scorer) -> None:
    texts = {
        "query": "Otters sleep.",
        "positive": "The otters are asleep.",
        "written_negatives": ["Otters eat.", "Salt."],
    }
    rows = pairs(
        pair(task="sts", passage=OTTERS, **texts),
        pair(task="retrieval", query="how do otters sleep", passage=OTTERS),
        pair(task="classification", passage=COPPER, **texts | {"query": "It is green.", "positive": "praise"}),
        pair(task="sts", passage=LATIN, status="rejected", reason="copied", **texts | {"query": "x"}),
    )
    found = conform(score(rows, scorer, candidates=5, shapes=SHAPES), SCORED).to_pylist()
    encode = scorer.encoder.documents

    def near(one: str, *others: str) -> list[float]:
        return [pytest.approx(float(encode([one])[0] @ encode([other])[0]), abs=1e-6) for other in others]

    assert [row["rank"] for row in found] == [None, 1, None, None]
    assert [found[0]["cosine"], *found[0]["written_scores"]] == near(
        "Otters sleep.", "The otters are asleep.", "Otters eat.", "Salt."
    )
    assert [found[2]["cosine"], *found[2]["written_scores"]] == near("It is green.", "praise", "Otters eat.", "Salt.")
    assert [row["candidates"] == [] for row in found] == [True, False, True, True]
    assert (found[1]["written_scores"], found[3]["cosine"], found[3]["written_scores"]) == ([], None, [])
