"""plan: what to ask. Passages in the running become the rows that the tasks will write from them.

Without targets there is one round: each passage gives each task the rows that its `rows_per_passage` says. With targets,
each round orders so many rows per cell, and `allotment` says which passages they are written from.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import census, controls, earlier, index, plugins, rounds, store
from synth.allotment import Allotment, written_in
from synth.census import Group
from synth.config import Config
from synth.controls import Controls
from synth.schemas import OK, PLAN, stable_seed, table
from synth.schemas import stable_id as hashed
from synth.stage import Rounds, Stage, Workspace
from synth.targets import Cell
from synth.tasks import Shape

Tasks = Mapping[str, tuple[Controls, Shape]]
Orders = Callable[[Path], Sequence[str]]
EVERYTHING = Cell(rows=0, task="")
"""The cell of all rows when there are no targets."""


@dataclass(frozen=True)
class Planner:
    """The open resource."""

    seed: int
    tasks: Tasks
    groups: Sequence[Group]
    group_of: Callable[[Sequence[str]], Sequence[int]]
    """Looks up passages by id; returns numbers of groups."""
    translation: Callable[[int, str], str]
    """Looks up a passage by census.key and language; empty when the corpus has none."""
    allotment: Allotment | None
    """Null without targets."""
    known: earlier.Ids
    """Rows that earlier runs planned, sorted."""


def stage(config: Config, after: Stage, passages: Stage, orders: Orders, known: Stage | None = None) -> Rounds:
    """`passages` is the index; `orders` returns the rounds' orders so far, given the run's folder; `known` has what earlier
    runs planned, if there are any."""
    return Rounds(
        name="plan",
        does="decide what to ask of each passage",
        after=(after, passages, *([known] if known else [])),
        writes=PLAN,
        version=2,
        settings={
            "seed": config.seed,
            "tasks": {name: settings.model_dump(mode="json") for name, settings in config.tasks.items()},
            "cells": [list(asdict(cell).values()) for cell in config.cells],
            **plugins.sources("tasks", config.tasks),
        },
        rounds=orders,
        open=partial(_open, config=config, passages=passages, orders=orders, known=known),
        fn=plan,
    )


@contextlib.contextmanager
def _open(
    workspace: Workspace, *, config: Config, passages: Stage, orders: Orders, known: Stage | None
) -> Iterator[Planner]:
    folder = workspace.of(passages)
    with index.opened(folder) as opened:

        def group_of(ids: Sequence[str]) -> Sequence[int]:
            found: list[int] = opened.groups[opened.rows_of(ids)].tolist()
            return found

        ids = earlier.planned(store.read_parts(workspace.run, known) if known else [])
        yield planner(config, census.read(folder), orders(workspace.run), group_of, opened.translation, ids)


def planner(
    config: Config,
    counts: census.Census,
    orders: Sequence[str],
    group_of: Callable[[Sequence[str]], Sequence[int]],
    translation: Callable[[int, str], str],
    known: earlier.Ids,
) -> Planner:
    tasks = {name: (settings, plugins.load("tasks", name).SHAPE) for name, settings in config.tasks.items()}
    allotment = Allotment(counts, tasks, config.cells, [*map(rounds.rows, orders)]) if config.targets else None
    return Planner(config.seed, tasks, counts.groups, group_of, translation, allotment, known)


def plan(passages: pa.Table, planner: Planner, round_: int, shard: int) -> pa.Table:
    """Turn passages (schemas.PERSONAS) into the rows planned in a round (schemas.PLAN), those of a passage together.

    A row's id and seed come from the run's seed, the task, the passage and the ordinal: never from where the row stands.
    """
    columns = [name for name in passages.column_names if name != "embedding"]
    running = [row for row in passages.select(columns).to_pylist() if row["status"] == OK]
    groups = planner.group_of([row["id"] for row in running])
    slots = (
        _all(running, groups, planner)
        if planner.allotment is None
        else _ordered(running, groups, planner, round_, shard)
    )
    order = {name: at for at, name in enumerate(planner.tasks)}
    slots.sort(key=lambda slot: (slot[0], order[slot[1]], slot[2]))
    if len(planner.known):
        ids = [_identity(running[at], task, ordinal, planner) for at, task, ordinal, _ in slots]
        slots = [slot for slot, old in zip(slots, earlier.among(ids, planner.known), strict=True) if not old]
    return table(
        PLAN,
        (
            _row(running[at], planner.groups[groups[at]], task, ordinal, cell, round_, planner)
            for at, task, ordinal, cell in slots
        ),
    )


Slot = tuple[int, str, int, Cell]
"""Place of the passage among those in the running, task, ordinal, cell."""


def _all(running: Sequence[Mapping[str, Any]], groups: Sequence[int], planner: Planner) -> list[Slot]:
    found: list[Slot] = []
    for at, passage in enumerate(running):
        for name, (settings, shape) in planner.tasks.items():
            if written_in(settings, shape, planner.groups[groups[at]]):
                rows = math.floor(settings.rows_per_passage)
                share = stable_seed("share", planner.seed, name, passage["id"]) / 2**31
                rows += share < settings.rows_per_passage - rows
                found += [(at, name, ordinal, EVERYTHING) for ordinal in range(rows)]
    return found


def _ordered(
    running: Sequence[Mapping[str, Any]], groups: Sequence[int], planner: Planner, round_: int, shard: int
) -> list[Slot]:
    assert planner.allotment is not None

    @cache
    def passages(task: str, wanted: int) -> list[int]:
        """Return the passages of a group, by hash: a round that needs few rows takes them from anywhere in the shard."""
        fitting = [at for at, group in enumerate(groups) if group == wanted]
        return sorted(fitting, key=lambda at: stable_seed("slot", planner.seed, task, running[at]["id"]))

    found: list[Slot] = []
    for share in planner.allotment.shares(round_, shard):
        cell = planner.allotment.cells[share.cell]
        fitting = passages(cell.task, share.group)
        for slot in range(share.start, share.start + share.rows):
            ordinal, place = divmod(slot, len(fitting))
            found.append((fitting[place], cell.task, ordinal, cell))
    return found


def _identity(passage: Mapping[str, Any], task: str, ordinal: int, planner: Planner) -> str:
    return hashed("row", planner.seed, task, passage["id"], ordinal)


def _row(
    passage: Mapping[str, Any], group: Group, task: str, ordinal: int, cell: Cell, round_: int, planner: Planner
) -> dict[str, Any]:
    identity = _identity(passage, task, ordinal, planner)
    settings, shape = planner.tasks[task]
    drawn = controls.draw(settings, stable_seed("plan", identity), written_in(settings, shape, group), cell.fixed)
    translation = ""
    if shape.translates and drawn.query_language in group.parallel:
        key = census.key(passage["parallel"], passage["ordinal"], passage["passages"])
        translation = planner.translation(key, drawn.query_language)
    return {
        "id": identity,
        "task": task,
        "round": round_,
        "cell": cell.name if cell.task else "",
        "ordinal": ordinal,
        "seed": stable_seed("row", identity),
        "passage_id": passage["id"],
        "document_id": passage["document_id"],
        "source": passage["source"],
        "title": passage["title"],
        "passage": passage["text"],
        "passage_language": passage["language"],
        "syntax": passage["syntax"],
        "parallel": passage["parallel"],
        "translation": translation,
        "query_language": drawn.query_language,
        "types": drawn.types,
        "difficulties": drawn.difficulties,
        "length": drawn.length,
        "words": drawn.words,
        "clarity": drawn.clarity,
        "personas": passage["personas"],
    }
