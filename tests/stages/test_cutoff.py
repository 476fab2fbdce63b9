import json
from pathlib import Path

import numpy as np
import pytest

from synth.controls import TaskScore
from synth.stage import Workspace
from synth.stages.cutoff import cutoff, fold
from tests.rows import scored, scores


@pytest.mark.parametrize(
    ("min_cosine", "min_quantile", "expected"),
    [
        (None, None, None),
        (0.45, None, 0.45),
        (None, 0.0, 0.125),
        (None, 0.25, 0.375),
        (None, 0.3, 0.375),
        (None, 0.5, 0.5),
        (0.45, 0.5, 0.5),
        (0.45, 0.25, 0.45),
    ],
)
def test_the_stricter_of_both_rules(
    min_cosine: float | None, min_quantile: float | None, expected: float | None
) -> None:
    assert cutoff(np.array([0.5, 0.125, 0.75, 0.375], np.float32), min_cosine, min_quantile) == expected


def test_a_quantile_drops_its_share_exactly() -> None:
    cosines = np.random.default_rng(0).permutation(np.arange(100, dtype=np.float32))
    assert cutoff(cosines, None, 0.29) == 29


def test_a_quantile_of_nothing_asks_for_nothing() -> None:
    assert cutoff(np.zeros(0, np.float32), None, 0.5) is None


def test_only_rows_in_the_running_count_and_each_task_has_its_own(tmp_path: Path) -> None:
    rows = scores(
        scored(query="a", cosine=0.1, status="rejected", reason="copied"),
        scored(query="b", cosine=0.625),
        scored(query="c", cosine=None, rank=None, status="failed", reason="engine"),
        scored(query="d", cosine=0.5),
        scored(query="e", cosine=0.25, task="sts", rank=None),
    )
    rules = {"retrieval": TaskScore(min_quantile=0), "sts": TaskScore(), "code": TaskScore(min_quantile=0.5)}
    counts = fold(iter([rows, rows.slice(0, 0)]), Workspace(tmp_path, tmp_path, None), rules=rules)
    assert counts == {"scored": 3}
    assert json.loads((tmp_path / "cutoff.json").read_text()) == {"retrieval": 0.5, "sts": None, "code": None}
