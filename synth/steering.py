"""What to plan next: targets against what was accepted, what the corpus has room for, and what the budget leaves.

All of it is arithmetic on counts, so that the same counts give the same next round.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.targets import Budget, Cell, spread

PRIOR = 10
"""A cell's acceptance is measured on its own rows and on so many imagined ones of its task's: of few rows of its own, a
share means little."""
GROWTH, LEAST = 4, 25
"""A round plans at most so many times the rows that a cell had before, or times `LEAST`: an acceptance that was measured on
few rows must not order a corpus."""


PILOT_SHARE, PILOT_ROWS, PILOT_REQUESTS, PILOT_TOKENS = 0.1, 1000, 5, 5000
"""With a budget, the first round is this share of the targets, no more rows than these, and no more than the budget would
pay for if a row took so many requests and tokens: what it does take is not known before. A cell that gets none is judged by
its task's others."""


def pilot(rows: int, cells: int, budget: Budget) -> int:
    """Return how many of `rows` to plan before anything is known of what one costs."""
    if not budget.is_limited:
        return rows
    limits = [rows, max(rows * PILOT_SHARE, cells), PILOT_ROWS]
    limits += [budget.requests / PILOT_REQUESTS] if budget.requests else []
    limits += [budget.tokens / PILOT_TOKENS] if budget.tokens else []
    return max(1, int(min(limits)))


@dataclass(frozen=True)
class Spent:
    """What a run has cost so far."""

    requests: Mapping[str, int]
    """By task."""
    tokens: Mapping[str, int]
    """By task: of prompts and answers."""
    hours: float


@dataclass(frozen=True)
class Tally:
    """One cell, after the rounds so far."""

    cell: Cell
    planned: int
    accepted: int
    room: int
    """Rows that the corpus still has room for."""

    @property
    def short(self) -> int:
        return max(0, self.cell.rows - self.accepted)

    def is_hopeless(self, least: float) -> bool:
        """Whether it is all but certain (two standard deviations) that a smaller share than `least` is accepted."""
        expected = least * self.planned
        return self.accepted < expected - 2 * math.sqrt(expected)


@dataclass(frozen=True)
class Decision:
    """The next round's order, or why there is none."""

    rows: Mapping[str, int]
    """By name of the cell; empty when the run stops."""
    stop: str
    """`targets met`, `corpus used up`, `budget spent: …`, `given up`; empty when there is a next round."""
    short: Mapping[str, str]
    """Per cell that a stop leaves short: why."""


def decide(tallies: Sequence[Tally], budget: Budget, spent: Spent, rounds: int) -> Decision:
    """Order what the cells are short of, by the acceptance measured so far; or say why not."""
    short = [tally for tally in tallies if tally.short]
    if not short:
        return Decision({}, "targets met", {})
    why = {tally.cell.name: _hindered(tally, budget) for tally in short}
    wanted = {
        tally.cell.name: (tally, min(_needed(tally, _acceptance(tally, tallies)), tally.room))
        for tally in short
        if not why[tally.cell.name]
    }
    if not wanted:
        used_up = any(reason == "corpus used up" for reason in why.values())
        return Decision({}, "corpus used up" if used_up else "given up", why)
    if rounds >= budget.rounds:
        return _ended(f"budget spent: {rounds} rounds", why)
    rows, spending = {name: rows for name, (_, rows) in wanted.items()}, ""
    if any(tally.planned for tally in tallies):
        scale, spending = _affordable(rows, tallies, budget, spent)
        rows = {name: math.floor(number * scale) for name, number in rows.items()}
    else:  # the pilot found no room, and what a row costs is still not known: another one
        parts = spread(pilot(sum(rows.values()), len(rows), budget), list(rows.values()))
        rows = dict(zip(rows, parts, strict=True))
    if not any(rows.values()):
        return _ended(f"budget spent: {spending}", why)
    return Decision({name: number for name, number in rows.items() if number}, "", {})


def _ended(stop: str, why: Mapping[str, str]) -> Decision:
    return Decision({}, stop, {name: reason or stop for name, reason in why.items()})


def _hindered(tally: Tally, budget: Budget) -> str:
    if tally.is_hopeless(budget.min_acceptance):
        return f"given up: {tally.accepted:,} of {tally.planned:,} accepted"
    return "" if tally.room else "corpus used up"


def _acceptance(tally: Tally, tallies: Sequence[Tally]) -> float:
    """Estimate a cell's acceptance: its own rows, and PRIOR imagined ones of its task (Laplace's rule for that)."""
    task = [other for other in tallies if other.cell.task == tally.cell.task]
    among_task = (sum(other.accepted for other in task) + 1) / (sum(other.planned for other in task) + 2)
    return (tally.accepted + PRIOR * among_task) / (tally.planned + PRIOR)


def _needed(tally: Tally, acceptance: float) -> int:
    """Rows to plan so that most likely (one standard deviation) enough are accepted."""
    margin = math.sqrt(tally.short * (1 - min(1.0, acceptance)))
    return min(math.ceil((tally.short + margin) / acceptance), GROWTH * max(tally.planned, LEAST))


def _affordable(rows: Mapping[str, int], tallies: Sequence[Tally], budget: Budget, spent: Spent) -> tuple[float, str]:
    """Return the share of `rows` that the budget leaves room for, and what limits it."""
    planned: dict[str, int] = {}
    asked: dict[str, int] = {}
    for tally in tallies:
        planned[tally.cell.task] = planned.get(tally.cell.task, 0) + tally.planned
        asked[tally.cell.task] = asked.get(tally.cell.task, 0) + rows.get(tally.cell.name, 0)
    done = sum(planned.values())

    def costs(spent: Mapping[str, int]) -> float:
        mean = sum(spent.values()) / max(1, done)  # for a task that has no row yet
        return sum(
            number * (spent.get(task, 0) / planned[task] if planned[task] else mean) for task, number in asked.items()
        )

    limits: list[tuple[float, str]] = [(1.0, "")]
    for name, limit, used, cost in (
        ("requests", budget.requests, float(sum(spent.requests.values())), costs(spent.requests)),
        ("tokens", budget.tokens, float(sum(spent.tokens.values())), costs(spent.tokens)),
        ("hours", budget.hours, spent.hours, spent.hours * sum(asked.values()) / max(1, done)),
    ):
        if limit is not None:
            said = f"{used:,.0f} of {limit:,} {name}" if name != "hours" else f"{used:.2f} of {limit:g} hours"
            limits.append((max(0.0, limit - used) / cost if cost else float(used < limit), said))
    return min(limits)


def distance(cells: Sequence[tuple[int, int]]) -> float:
    """Return the total variation distance of accepted shares from targets' shares: half the sum of their differences.

    `cells` has (target, accepted) per cell; 1 when nothing was accepted."""
    targets, accepted = (sum(pair[at] for pair in cells) for at in (0, 1))
    if not targets or not accepted:
        return 0.0 if not targets else 1.0
    return sum(abs(target / targets - got / accepted) for target, got in cells) / 2


def as_json(tally: Tally, kept: int, why: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cell": tally.cell.name, "target": tally.cell.rows, "planned": tally.planned, "accepted": tally.accepted, "kept": kept,
    }  # fmt: skip
    return {**found, "short_because": why} if why else found
