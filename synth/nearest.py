"""The k best of rows that come in blocks: the one place where the order of neighbours is decided."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass
class Nearest:
    """A running top k for `queries` queries; best first, equal scores by row, lower first.

    Holds 12 bytes per query and place. A place that nothing was found for has row -1 and score -inf.
    """

    queries: int
    k: int
    rows: npt.NDArray[np.int64] = field(init=False)
    scores: npt.NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = np.full((self.queries, self.k), -1, np.int64)
        self.scores = np.full((self.queries, self.k), -np.inf, np.float32)

    def offer(self, scores: npt.NDArray[np.float32], first_row: int) -> None:
        """Take what is good enough from float32 [queries, block], whose columns are rows `first_row`…; -inf is no hit.

        After the first blocks only few entries beat the running k-th, so that a block costs little more than
        one comparison per entry.
        """
        if self.k == 0 or scores.size == 0:
            return
        floor = np.maximum(self.scores[:, -1], np.finfo(np.float32).min)
        if np.isneginf(self.scores[:, -1]).any() and scores.shape[1] > self.k:
            floor = np.maximum(floor, np.partition(scores, -self.k, axis=1)[:, -self.k])
        # Flat and cut afterwards: five times as fast as nonzero() of a matrix.
        query, column = np.divmod(np.flatnonzero(scores >= floor[:, None]), scores.shape[1])
        if not len(query):
            return
        held_query, place = np.nonzero(self.rows >= 0)
        query = np.concatenate([held_query, query])
        rows = np.concatenate([self.rows[held_query, place], first_row + column])
        values = np.concatenate([self.scores[held_query, place], scores[query[len(held_query) :], column]])
        order = np.lexsort((rows, -values, query))
        query, rows, values = query[order], rows[order], values[order]
        place = positions(query)
        best = place < self.k
        self.rows[query[best], place[best]] = rows[best]
        self.scores[query[best], place[best]] = values[best]


def positions(groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number the entries of each run of equal values from 0: [3, 3, 7] gives [0, 1, 0]."""
    if not len(groups):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
