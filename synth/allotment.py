"""Which passages the rows of a round are written from.

A passage has room for some rows of each task (its slots). A round orders so many rows for each cell; they are spread
over all slots that fit and are not taken yet, evenly through the corpus, and over languages as the task's settings have it:
each shard gives its share, so that no shard need know of another. What a shard gives in which round follows from the census and the orders alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from synth import languages
from synth.census import Census, Group
from synth.controls import Controls
from synth.schemas import stable_seed
from synth.targets import Cell
from synth.tasks import Shape

Counts = npt.NDArray[np.int64]
Order = Mapping[str, int]
"""Rows to plan, by name of the cell."""


def written_in(settings: Controls, shape: Shape, group: Group) -> dict[str, float]:
    """Return the languages, with weights, that a task writes in from passages of `group`; none when it reads others."""
    if group.code != (shape.reads == "code"):
        return {}
    if shape.symmetric and not shape.translates:
        return {group.language: 1.0}  # both texts are in the passage's language, whatever is said
    wanted = {code: weight for code, weight in settings.query_languages.items() if weight}
    if shape.translates:
        others = {code: weight for code, weight in wanted.items() if code != group.language}
        known = {code: others.get(code, 1.0) for code in group.parallel if code in others or not wanted}
        return {} if group.language == languages.UNKNOWN else known or others
    if not wanted:
        return {group.language: 1.0}
    if settings.cross_lingual is None:
        return wanted
    others = {code: weight for code, weight in wanted.items() if code != group.language}
    whole, share = sum(others.values()), settings.cross_lingual if others else 0.0
    found = {group.language: 1 - share, **{code: share * weight / whole for code, weight in others.items()}}
    return {code: weight for code, weight in found.items() if weight}


_TURNS = 4
"""Where there is not enough for all cells, they take in so many turns, so that each gets a part."""


@dataclass(frozen=True)
class Share:
    """What one shard gives to one cell: `rows` slots from `start` on, of its passages of one group."""

    cell: int
    group: int
    start: int
    rows: int


@dataclass
class Allotment:
    """Works out the rounds one after the other, and holds the shares of the last one only."""

    census: Census
    tasks: Mapping[str, tuple[Controls, Shape]]
    cells: Sequence[Cell]
    orders: Sequence[Order]
    _round: int = field(default=0, init=False)
    """Rounds worked out so far."""

    def __post_init__(self) -> None:
        self._written_in = {
            name: [written_in(settings, shape, group) for group in self.census.groups]
            for name, (settings, shape) in self.tasks.items()
        }
        self._free: dict[str, Counts] = {
            name: self.census.passages
            * math.ceil(settings.rows_per_passage)
            * np.array([bool(found) for found in self._written_in[name]], np.int64)
            for name, (settings, _) in self.tasks.items()
        }
        """[shards, groups] per task: slots that are not taken."""
        self._taken = {name: np.zeros_like(free) for name, free in self._free.items()}
        self._shares: dict[int, list[Share]] = {}
        # A cell that few passages fit chooses first: it has nowhere else to go.
        self._sequence = sorted(range(len(self.cells)), key=lambda at: (self.room(at), at))

    def languages(self, task: str, group: int) -> dict[str, float]:
        return self._written_in[task][group]

    def room(self, cell: int) -> int:
        """Return how many more rows the corpus has room for in a cell, if no other cell takes them."""
        return int((self._free[self.cells[cell].task] * (self._fitting(self.cells[cell]) > 0)).sum())

    def shares(self, round_: int, shard: int) -> list[Share]:
        """Return what `shard` (from 0) gives in a round (from 1)."""
        if round_ < self._round:  # going back: from the start
            self.__post_init__()
            self._round = 0
        self.work_out(round_)
        return self._shares.get(shard, [])

    def work_out(self, rounds: int) -> None:
        while self._round < rounds:
            before = self._free, self._taken
            if not self._hand_out(1):
                self._free, self._taken = before
                self._hand_out(_TURNS)
            self._round += 1

    def _hand_out(self, turns: int) -> bool:
        """Give each cell what the round orders for it, in so many turns; say whether there was enough for all."""
        order, short = self.orders[self._round], 0
        self._shares, self._free, self._taken = {}, dict(self._free), dict(self._taken)
        for turn in range(turns):
            for cell in self._sequence:
                rows = order.get(self.cells[cell].name, 0)
                rows = rows * (turn + 1) // turns - rows * turn // turns
                short += rows - self._give(cell, rows)
        return not short

    def _fitting(self, cell: Cell) -> npt.NDArray[np.float64]:
        """Return, per group, which share of its rows is in the cell's language: [groups]; of a cell without one, all."""
        found = self._written_in[cell.task]
        if not cell.language:
            return np.array([float(bool(weights)) for weights in found])
        return np.array([weights.get(cell.language, 0.0) / (sum(weights.values()) or 1.0) for weights in found])

    def _give(self, number: int, wanted: int) -> int:
        """Give rows to a cell, as many as there is room for; return how many."""
        cell = self.cells[number]
        fitting = self._fitting(cell)
        given = np.zeros_like(self._free[cell.task])
        # Where a place is short of its share, the others give the rest in the next turn.
        while (left := wanted - int(given.sum())) > 0 and (weights := (self._free[cell.task] - given) * fitting).any():
            offset = stable_seed("allotment", cell.name, self._round, left) / 2**31
            given = given + np.minimum(_parts(left, weights, offset), self._free[cell.task] - given)
        for shard, group in zip(*np.nonzero(given), strict=True):
            rows, start = int(given[shard, group]), int(self._taken[cell.task][shard, group])
            self._shares.setdefault(int(shard), []).append(Share(number, int(group), start, rows))
        self._taken[cell.task] = self._taken[cell.task] + given
        self._free[cell.task] = self._free[cell.task] - given
        return int(given.sum())


def _parts(total: int, weights: npt.NDArray[np.float64], offset: float) -> Counts:
    """Split `total` in proportion to `weights`, in whole numbers that add up to it: each differs from its share by less
    than one. `offset`, from 0 to 1, moves who is rounded up: without it the last would get all of a small total."""
    running = np.cumsum(weights.ravel())
    until = np.floor(running * (total / running[-1]) + offset).astype(np.int64)
    until[running == running[-1]] = total
    return np.diff(until, prepend=0).reshape(weights.shape)
