from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from synth.config import Dedup
from synth.stage import Workspace
from synth.stages.clusters import best, fold
from tests.rows import scored, scores

ROWS = [
    scored(id="a", query="How do otters keep together while they sleep?", cosine=0.5),
    scored(id="b", query="how do otters keep together while they sleep", cosine=0.75),
    scored(id="c", query="How do otters keep together when they sleep?", cosine=0.625),
    scored(id="d", query="where is copper mined", cosine=0.5),
    scored(id="f", query="where is tin mined in Cornwall", cosine=0.5),
    scored(id="e", query="Where is tin mined in Cornwall?", cosine=0.5),
    scored(id="x", query="where is copper mined", cosine=0.9, status="rejected", reason="not_first"),
    scored(id="y", query="", cosine=None, rank=None, status="failed", reason="engine"),
]
EXPECTED = [("a", "b"), ("c", "b"), ("f", "e")]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shard", [1, 3, 8])
def test_the_best_of_each_group_is_kept_whatever_the_order(seed: int, shard: int, tmp_path: Path) -> None:
    rows = scores(*(ROWS[at] for at in np.random.default_rng(seed).permutation(len(ROWS))))
    shards = (rows.slice(at, shard) for at in range(0, len(ROWS), shard))
    counts = fold(shards, Workspace(tmp_path, tmp_path, None), settings=Dedup())
    found = pq.read_table(tmp_path / "clusters.parquet").to_pylist()
    assert [(row["id"], row["cluster"]) for row in found] == EXPECTED
    assert counts == {"clusters": 3, "duplicates": 3}


def test_no_rows(tmp_path: Path) -> None:
    assert fold(iter([]), Workspace(tmp_path, tmp_path, None), settings=Dedup()) == {"clusters": 0, "duplicates": 0}
    assert pq.read_table(tmp_path / "clusters.parquet").num_rows == 0


def test_best_is_the_highest_cosine_then_the_lowest_id() -> None:
    labels, ids = np.array([0, 0, 2, 2, 0]), np.array([b"e", b"d", b"c", b"b", b"a"])
    assert best(labels, ids, np.array([0.5, 0.7, 0.3, 0.3, 0.7], np.float32)).tolist() == [4, 4, 3, 3, 4]
