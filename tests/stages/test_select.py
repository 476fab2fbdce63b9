import pytest

from synth.controls import TaskScore
from synth.schemas import SCORED, conform
from synth.stages.select import select
from tests.rows import scored, scores


@pytest.mark.parametrize(
    ("row", "cutoff", "max_rank", "expected"),
    [
        ({"cosine": 0.5, "rank": 1}, 0.5, 1, ("ok", None, None)),
        ({"cosine": 0.31, "rank": 1}, 0.45, 1, ("rejected", "low_cosine", "0.310 < 0.450")),
        ({"cosine": 0.31, "rank": 7}, 0.45, 1, ("rejected", "low_cosine", "0.310 < 0.450")),
        ({"cosine": 0.5, "rank": 7}, 0.45, 1, ("rejected", "not_first", "rank 7 > 1")),
        ({"cosine": 0.5, "rank": 7}, 0.45, 10, ("ok", None, None)),
        ({"cosine": -0.5, "rank": 7}, None, None, ("ok", None, None)),
        (
            {"cosine": None, "rank": None, "status": "failed", "reason": "engine", "detail": "died"},
            0.45,
            1,
            ("failed", "engine", "died"),
        ),
    ],
)
def test_select(
    row: dict[str, object], cutoff: float | None, max_rank: int | None, expected: tuple[str | None, ...]
) -> None:
    rules = {"retrieval": TaskScore(max_rank=max_rank)}
    (found,) = conform(select(scores(scored(**row)), {"retrieval": cutoff}, rules=rules), SCORED).to_pylist()
    assert (found["status"], found["reason"], found["detail"]) == expected


@pytest.mark.parametrize(
    ("written", "margin", "expected"),
    [
        ([0.4, 0.5], 0.0, ("ok", None, None)),
        ([0.4, 0.5], 0.15, ("rejected", "not_nearer", "0.600, a negative 0.500")),
        ([0.625], 0.0, ("rejected", "not_nearer", "0.600, a negative 0.625")),
        ([0.75], None, ("ok", None, None)),
        ([], 0.0, ("ok", None, None)),
    ],
)
def test_the_positive_is_nearer_than_what_was_written_as_negative(
    written: list[float], margin: float | None, expected: tuple[str | None, ...]
) -> None:
    rows = scores(scored(task="sts", rank=None, written_scores=written, written_negatives=["x"] * len(written)))
    found = conform(select(rows, {"sts": None}, rules={"sts": TaskScore(min_margin=margin)}), SCORED).to_pylist()[0]
    assert (found["status"], found["reason"], found["detail"]) == expected
