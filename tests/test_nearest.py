import numpy as np
import pytest

from synth.nearest import Nearest, positions


@pytest.mark.parametrize("block", [1, 3, 7, 50])
@pytest.mark.parametrize("k", [1, 4, 60])
def test_finds_what_sorting_everything_finds_with_ties_by_row(block: int, k: int) -> None:
    # Scores of one decimal: ties everywhere, also at the k-th place and across blocks.
    scores = np.random.default_rng(0).random((9, 50)).round(1).astype(np.float32)
    scores[0] = -np.inf
    scores[1, 3:] = -np.inf
    best = Nearest(9, k)
    for at in range(0, 50, block):
        best.offer(scores[:, at : at + block], at)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(scores, order, axis=1)
    order[np.isneginf(values)] = -1
    assert best.rows[:, : order.shape[1]].tolist() == order.tolist()
    assert best.scores[:, : order.shape[1]].tolist() == values.tolist()
    assert (best.rows[:, order.shape[1] :] == -1).all()


def test_positions_number_the_entries_of_each_group() -> None:
    assert positions(np.array([3, 3, 7, 9, 9, 9])).tolist() == [0, 1, 0, 0, 1, 2]
    assert positions(np.zeros(0, np.int64)).tolist() == []
