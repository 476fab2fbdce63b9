"""Which passages the rows of a round are written from.

A passage has room for some rows of each task (its slots). A round orders so many rows for each cell; they are spread
over all slots that fit and are not taken yet, evenly through the corpus: each shard gives its share, so that no shard
need know of another. What a shard gives in which round follows from the census and the orders alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from synth import languages
from synth.census import Census, Group
from synth.controls import Controls
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
        return int(self._fitting(self.cells[cell]).sum())

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

    def _fitting(self, cell: Cell) -> Counts:
        fits = [bool(found) and (not cell.language or cell.language in found) for found in self._written_in[cell.task]]
        return self._free[cell.task] * np.array(fits, np.int64)

    def _give(self, number: int, wanted: int) -> int:
        """Give rows to a cell, as many as there is room for; return how many."""
        task = self.cells[number].task
        free = self._fitting(self.cells[number])
        room = int(free.sum())
        rows = min(wanted, room)
        if not rows:
            return 0
        # Each (shard, group) gives in proportion to its room. Rounding the running total keeps the sum exact.
        until = np.floor(np.cumsum(free.ravel()) * (rows / room) + 1e-9).astype(np.int64)
        until[free.ravel().cumsum() == room] = rows
        given = np.minimum(np.diff(until, prepend=0).reshape(free.shape), free)
        for shard, group in zip(*np.nonzero(given), strict=True):
            share = Share(number, int(group), int(self._taken[task][shard, group]), int(given[shard, group]))
            self._shares.setdefault(int(shard), []).append(share)
        self._taken[task] = self._taken[task] + given
        self._free[task] = self._free[task] - given
        return rows
