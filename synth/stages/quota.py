"""quota: count what came through, cell by cell, against the targets; say what the next round is to plan, or why to stop.

It writes quota.json (the counts, the decision, and every task's and language's rows by fate) and surplus.parquet: rows
that came through, beyond their cell's target. The dataset leaves those out, so that its shares are the ones asked for.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth import census, plugins, rounds, steering, timings
from synth.allotment import Allotment
from synth.config import Config
from synth.figures import QUOTA
from synth.schemas import MINED, OK, stable_seed
from synth.stage import Fold, Stage, Workspace
from synth.steering import Spent, Tally

COUNTED, SURPLUS = "quota.json", "surplus.parquet"
SURPLUS_ROWS = pa.schema([MINED.field("id")])
Orders = Any
_SPENT = {"requests": "asked"} | {name: name for name in ("prompt_tokens", "cached_tokens", "output_tokens")}
"""What is summed up by task, and the column that has it."""


def stage(config: Config, after: Stage, passages: Stage, generated: Stage, orders: Orders) -> Fold:
    """`after` has the rows, of all fates; `passages` is the index, and `generated` is what spends."""
    return Fold(
        name=QUOTA,
        does="count what came through against the targets",
        after=(after, passages),
        writes=SURPLUS_ROWS,
        version=2,
        settings={
            "targets": [list(asdict(cell).values()) for cell in config.cells],
            "budget": config.budget.model_dump(mode="json"),
        },
        fn=partial(fold, config=config, passages=passages, generated=generated, orders=orders),
        columns=(
            "id",
            "task",
            "cell",
            "query_language",
            "status",
            "reason",
            *_SPENT.values(),
        ),
    )


def fold(
    shards: Iterator[pa.Table],
    workspace: Workspace,
    *,
    config: Config,
    passages: Stage,
    generated: Stage,
    orders: Orders,
) -> Mapping[str, int]:
    """Holds 24 bytes a row that is accepted for a cell, and counters."""
    cells = {cell.name: at for at, cell in enumerate(config.cells)}
    planned = Counter[str]()
    spent: dict[str, Counter[str]] = {name: Counter() for name in _SPENT}
    fates: dict[str, dict[str, Counter[str]]] = {}
    ids, of = [np.zeros(0, "S20")], [np.zeros(0, np.int32)]
    for rows in shards:
        planned.update(rows.column("cell").to_pylist())
        for name, language, status, reason in zip(
            *(rows.column(column).to_pylist() for column in ("task", "query_language", "status", "reason")), strict=True
        ):
            fate = status if status == OK else f"{status}/{reason}"
            fates.setdefault(name, {}).setdefault(language, Counter())[fate] += 1
        sums = rows.group_by("task").aggregate([(column, "sum") for column in _SPENT.values()])
        for row in sums.to_pylist():
            for name, column in _SPENT.items():
                spent[name][row["task"]] += row[f"{column}_sum"]
        accepted = rows.filter(pc.and_(pc.equal(rows.column("status"), OK), pc.not_equal(rows.column("cell"), "")))
        ids.append(np.array(accepted.column("id").to_pylist(), "S20"))
        of.append(np.array([cells[name] for name in accepted.column("cell").to_pylist()], np.int32))

    names, numbers = np.concatenate(ids), np.concatenate(of)
    over = surplus(names, numbers, [cell.rows for cell in config.cells])
    columns = [pa.array(np.sort(names[over]).astype(str).tolist(), pa.string())]
    pq.write_table(pa.Table.from_arrays(columns, schema=SURPLUS_ROWS), workspace.folder / SURPLUS)
    found: dict[str, Any] = {
        "fates": {
            task: {language: dict(sorted(counts.items())) for language, counts in sorted(languages.items())}
            for task, languages in sorted(fates.items())
        },
        "spent": {name: dict(sorted(by_task.items())) for name, by_task in spent.items()},
    }
    if config.targets:
        accepted_of = np.bincount(numbers, minlength=len(cells)).tolist()
        given = orders(workspace.run)
        room = _room(config, workspace.of(passages), given)
        tallies = [Tally(cell, planned[cell.name], accepted_of[at], room[at]) for at, cell in enumerate(config.cells)]
        hours = timings.seconds(workspace.run, generated) / 3600 if config.budget.hours else 0.0
        decision = steering.decide(
            tallies,
            config.budget,
            Spent(spent["requests"], spent["prompt_tokens"] + spent["output_tokens"], hours),
            len(given),
        )
        kept = [min(tally.accepted, tally.cell.rows) for tally in tallies]
        found |= {
            "rounds": len(given),
            "stop": decision.stop,
            "next": dict(decision.rows),
            "distance": round(
                steering.distance([(tally.cell.rows, number) for tally, number in zip(tallies, kept, strict=True)]), 6
            ),
            "cells": [
                steering.as_json(tally, number, decision.short.get(tally.cell.name, "") if decision.stop else "")
                for tally, number in zip(tallies, kept, strict=True)
            ],
        }
    (workspace.folder / COUNTED).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {"accepted": len(names) - int(over.sum()), "surplus": int(over.sum())} if config.targets else {}


def surplus(ids: npt.NDArray[np.bytes_], cells: npt.NDArray[np.int32], targets: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return which accepted rows are beyond their cell's target: those whose ids hash highest, so a fair draw."""
    draw = np.array([stable_seed("surplus", name.decode()) for name in ids.tolist()], np.int64)
    order = np.lexsort((ids, draw, cells))
    start = np.searchsorted(cells[order], cells[order])
    over = np.zeros(len(ids), bool)
    over[order] = np.arange(len(ids)) - start >= np.array(targets, np.int64)[cells[order]] if len(ids) else False
    return over


def _room(config: Config, folder: Path, given: Sequence[str]) -> list[int]:
    tasks = {name: (settings, plugins.load("tasks", name).SHAPE) for name, settings in config.tasks.items()}
    allotment = Allotment(census.read(folder), tasks, config.cells, [*map(rounds.rows, given)])
    allotment.work_out(len(given))
    return [allotment.room(at) for at in range(len(config.cells))]


def read(folder: Path) -> dict[str, Any]:
    """Read quota.json out of the stage's folder."""
    found: dict[str, Any] = json.loads((folder / COUNTED).read_text(encoding="utf-8"))
    return found
