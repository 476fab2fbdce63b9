"""Run stages one after the other on this machine.

Each stage has the machine (and its GPU) to itself. A finished stage is skipped, a half-finished one goes on at its
first missing shard. A stage's resource is opened only when there is a shard to compute.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth import schemas, store
from synth.errors import StoreError, VerifyError
from synth.stage import Fold, Map, Progress, Source, Stage, Workspace


def run(stages: Iterable[Stage], folder: Path, progress: Callable[[Stage, int | None], Progress]) -> list[Stage]:
    """Run what is not finished yet; return the stages that ran.

    `progress(stage, rows to come or null)` opens the display of one stage.
    """
    ran = []
    for stage in stages:
        if store.is_finished(folder, stage):
            continue
        started = time.monotonic()
        with progress_of(progress, stage, folder) as bar:
            match stage:
                case Source():
                    _source(stage, folder, bar)
                case Map():
                    _map(stage, folder, bar)
                case Fold():
                    _fold(stage, folder, bar)
        store.note_timing(folder, stage, time.monotonic() - started, **getattr(bar, "totals", {}))
        ran.append(stage)
    return ran


def progress_of(progress: Callable[[Stage, int | None], Any], stage: Stage, folder: Path) -> Any:
    rows = (
        sum(file.rows for file in store.finished(folder / stage.after[0].folder, stage.after[0]).parts)
        if stage.after
        else None
    )
    return progress(stage, rows)


def _source(stage: Source, run: Path, progress: Progress) -> None:
    folder = run / stage.folder
    store.sweep(folder)
    counts: dict[str, int] = {}
    for index, rows in enumerate(stage.read()):
        part = schemas.conform(rows, stage.writes)
        if not (folder / store.part_name(index)).exists():
            store.write_part(folder, index, part)
        _tally(counts, part, progress)
    store.finish(folder, stage, counts)


def _map(stage: Map, run: Path, progress: Progress) -> None:
    folder = run / stage.folder
    folder.mkdir(parents=True, exist_ok=True)
    store.sweep(folder)
    before = run / stage.after[0].folder
    parts = [before / file.name for file in store.finished(before, stage.after[0]).parts]
    missing = [index for index in range(len(parts)) if not (folder / store.part_name(index)).exists()]
    own_progress = inspect.iscoroutinefunction(stage.fn)

    def keep(index: int, rows: pa.Table, result: pa.Table) -> None:
        result = schemas.conform(result, stage.writes)
        if stage.same_rows and rows.column("id") != result.column("id"):
            raise VerifyError(
                f"stage {stage.name!r}, shard {index}: {rows.num_rows} rows went in, and other rows came out",
                fix="this is a bug in the stage: please report it",
            )
        store.write_part(folder, index, result)
        if not own_progress:
            _tally({}, result, progress)

    if missing:
        with stage.open(Workspace(folder, run, progress)) as resource:
            if own_progress:
                asyncio.run(_concurrently(stage, resource, parts, missing, keep))
            else:
                for index in missing:
                    rows = store.read_part(parts[index])
                    keep(index, rows, stage.fn(rows, resource))
    counts: dict[str, int] = {}
    for index in range(len(parts)):
        _count(counts, folder / store.part_name(index))
    if stage.same_rows and sum(counts.values()) != sum(store.finished(before, stage.after[0]).counts.values()):
        raise VerifyError(
            f"stage {stage.name!r}: counts do not add up: {counts}",
            fix=f"delete {folder} and run again; if it stays, please report it",
        )
    store.finish(folder, stage, counts)


async def _concurrently(
    stage: Map, resource: Any, parts: list[Path], missing: list[int], keep: Callable[[int, pa.Table, pa.Table], None]
) -> None:
    """Run the coroutine function on as many shards as it takes to have `rows_ahead` rows under way.

    Shards are started in order and the resource serves first come, first served, so that the rows of one passage
    stay close together; what bounds memory is `rows_ahead` plus one shard.
    """
    running: dict[asyncio.Task[pa.Table], tuple[int, pa.Table]] = {}
    waiting = iter(missing)
    exhausted = False
    try:
        while running or not exhausted:
            while not exhausted and sum(rows.num_rows for _, rows in running.values()) < max(1, stage.rows_ahead):
                if (index := next(waiting, None)) is None:
                    exhausted = True
                else:
                    rows = await asyncio.to_thread(store.read_part, parts[index])
                    running[asyncio.ensure_future(stage.fn(rows, resource))] = (index, rows)
            if running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    index, rows = running.pop(task)
                    await asyncio.to_thread(keep, index, rows, task.result())
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _fold(stage: Fold, run: Path, progress: Progress) -> None:
    making = store.fresh_folder(run / stage.folder)

    def shards() -> Iterable[pa.Table]:
        for rows in store.read_parts(run, stage.after[0], stage.columns):
            yield rows
            progress.advance(rows.num_rows, rows.num_rows)

    try:
        counts = stage.fn(iter(shards()), Workspace(making, run, progress))
    except OSError as error:
        raise StoreError(
            f"{making}: {error.strerror or error}",
            fix="free disk space or mend permissions, then run the same command again",
        ) from error
    store.finish(making, stage, counts)
    store.replace_folder(making, run / stage.folder)


def _tally(counts: dict[str, int], rows: pa.Table, progress: Progress) -> None:
    found = schemas.counts(rows) if "status" in rows.column_names else {schemas.OK: rows.num_rows}
    for name, number in found.items():
        counts[name] = counts.get(name, 0) + number
    progress.advance(rows.num_rows, found.get(schemas.OK, 0))


def _count(counts: dict[str, int], path: Path) -> None:
    names = pq.read_schema(path).names
    rows = store.read_part(path, ["status", "reason"] if "status" in names else names[:1])
    found = schemas.counts(rows) if "status" in names else {schemas.OK: rows.num_rows}
    for name, number in found.items():
        counts[name] = counts.get(name, 0) + number
