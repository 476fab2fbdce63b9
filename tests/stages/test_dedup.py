import numpy as np

from synth.schemas import CLUSTERED, conform
from synth.stages.dedup import dedup
from tests.rows import scored, scores


def test_all_but_the_kept_are_rejected_and_know_their_cluster() -> None:
    rows = scores(
        scored(id="a"),
        scored(id="b"),
        scored(id="c", status="rejected", reason="not_first", detail="rank 7 > 1"),
        scored(id="d"),
    )
    duplicates = np.array([b"a", b"c"], "S20"), np.array([b"b", b"b"], "S20")
    found = conform(dedup(rows, duplicates), CLUSTERED).to_pylist()
    assert [(row["id"], row["cluster"], row["reason"], row["detail"]) for row in found] == [
        ("a", "b", "duplicate", "of b"),
        ("b", "b", None, None),
        ("c", None, "not_first", "rank 7 > 1"),
        ("d", "d", None, None),
    ]


def test_no_duplicates() -> None:
    nothing = np.zeros(0, "S20"), np.zeros(0, "S20")
    assert dedup(scores(scored(id="a")), nothing).column("cluster").to_pylist() == ["a"]
