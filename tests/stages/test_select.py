import pytest

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
    (found,) = conform(select(scores(scored(**row)), cutoff, max_rank=max_rank), SCORED).to_pylist()
    assert (found["status"], found["reason"], found["detail"]) == expected
