"""Run stages one after the other on this machine, one shard after the other.

Each stage has the machine (and its GPU) to itself. A finished stage is skipped; of an unfinished one, or of one whose
input or files have changed, the shards that still hold are kept and the others made. A stage's resource is opened only
when there is a shard to compute.
"""

import asyncio
import contextlib
import inspect
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from synth import ledger, loop, schemas, store, timings
from synth.errors import ModelError, Stopped, StoreError, VerifyError
from synth.executors import Display, Executor
from synth.files import fresh_folder, replace_folder
from synth.ledger import File
from synth.settings import KindSettings
from synth.stage import Fold, Map, Progress, Rounds, Source, Stage, Workspace
from synth.stop import Stop

_log = logging.getLogger(__name__)
_POLL = 0.1
"""Seconds between two looks at whether to stop, while shards are under way."""


Compute = Callable[["Shards", Sequence[int], Workspace], None]
"""Makes the missing shards of a map, by `Shards.read` and `Shards.keep`: all that executors do each in its own way."""


class Settings(KindSettings):
    """All in this process. A map whose function is a coroutine has several shards under way."""

    kind: Literal["local"]


@contextlib.contextmanager
def open(_: Settings) -> Iterator[Executor]:
    yield run


@dataclass(frozen=True)
class Run:
    """What all stages of a run share."""

    folder: Path
    display: Display
    stop: Stop
    retry_failed: bool = False
    """Make those shards anew in which the engine failed rows."""
    grown: bool = False
    """Whether there is a round more than before, so that stages which were finished have more to do."""
    compute: Compute = field(kw_only=True)


def run(
    stages: Iterable[Stage],
    folder: Path,
    display: Display,
    stop: Stop | None = None,
    *,
    retry_failed: bool = False,
    grown: bool = False,
    compute: Compute | None = None,
) -> list[Stage]:
    """Run what is not finished yet; return the stages that ran. Raises Stopped when `stop` asks for it."""
    this = Run(folder, display, stop or Stop(), retry_failed, grown, compute=compute or here)
    ran = []
    for stage in stages:
        this.stop.check()
        started, this.stop.during = time.monotonic(), stage.name
        if not _wants_to_run(stage, this):
            continue
        try:
            match stage:
                case Source():
                    totals = _source(stage, this)
                case Map():
                    totals = _map(stage, this)
                case Fold():
                    totals = _fold(stage, this)
        except BaseException:
            with contextlib.suppress(StoreError):  # a full disk is told of already
                timings.note(folder, stage, time.monotonic() - started, whole=False)
            raise
        timings.note(folder, stage, time.monotonic() - started, **({"adds": True} if grown else {}), **totals)
        ran.append(stage)
    return ran


def _wants_to_run(stage: Stage, run: Run) -> bool:
    try:
        store.manifest(run.folder / stage.folder)
    except StoreError as error:
        raise store.set_aside(run.folder / stage.folder / store.MANIFEST) from error
    if not store.is_finished(run.folder, stage):
        found = store.manifest(run.folder / stage.folder)
        if found and found.fingerprint != stage.fingerprint:
            rows = sum(file.rows for file in found.parts)
            _log.warning("%s: what was there, %s rows of other settings, is replaced", stage.folder, f"{rows:,}")
        elif found and not run.retry_failed and not run.grown:
            _log.warning(
                "stage %r was finished, but its files or those before it have changed: it is mended", stage.name
            )
        return True
    return run.retry_failed and isinstance(stage, Map) and bool(_with_failures(stage, run))


def _source(stage: Source, run: Run) -> Mapping[str, float]:
    folder = run.folder / stage.folder
    known = store.trusted(folder, None)
    ledger.reopen(folder, known.values())
    files = []
    with run.display(stage, None) as bar:
        for index, rows in enumerate(stage.read()):
            run.stop.check()
            part = schemas.conform(rows, stage.writes)
            # Read again from the start: what is known must still be the same, or it is written anew.
            files.append(store.write_part(folder, index, part, known=known.get(store.part_name(index))))
            advance(bar, files[-1])
        ledger.reopen(folder, files)  # one that is read again may have fewer shards than before
        store.finish(folder, stage, _total(files), files)
        return _totals(bar)


def _map(stage: Map, run: Run) -> Mapping[str, float]:
    folder = run.folder / stage.folder
    parts = store.finished(run.folder / stage.after[0].folder, stage.after[0]).parts
    made_from = store.inputs(run.folder, stage)
    assert isinstance(made_from, dict)
    done = store.trusted(folder, made_from)
    if run.retry_failed:
        again = _with_failures(stage, run)
        done = {name: file for name, file in done.items() if name not in again}
    missing = [index for index, name in enumerate(made_from) if name not in done]
    with run.display(stage, sum(parts[index % len(parts)].rows for index in missing)) as bar:
        if missing:
            for side in stage.after[1:]:
                store.check(run.folder / side.folder, side)
            shards = Shards(stage, run, parts, made_from, done)
            run.compute(shards, missing, Workspace(folder, run.folder, bar, run.stop))
            done |= shards.kept
        else:
            ledger.reopen(folder, done.values())
        files = [done[name] for name in made_from]
        counts = _total(files)
        if stage.same_rows:
            _balance(stage, counts, sum(part.rows for part in parts))
        stage.judge(counts)
        store.finish(folder, stage, counts, files)
        return _totals(bar)


def _with_failures(stage: Map, run: Run) -> set[str]:
    """Return the names of a map's shards in which it failed rows that the stage before had not."""
    found = store.manifest(run.folder / stage.folder)
    entries = found.files if found else ledger.noted(run.folder / stage.folder).values()
    before = {
        file.name: _failed(file) for file in store.finished(run.folder / stage.after[0].folder, stage.after[0]).parts
    }
    return {file.name for file in entries if _failed(file) > before.get(file.name, 0)}


def _failed(file: File) -> int:
    return sum(number for name, number in file.counts.items() if name.startswith(f"{schemas.FAILED}/"))


@dataclass(frozen=True)
class Shards:
    """A map's shards: read, checked, kept."""

    stage: Map
    run: Run
    parts: Sequence[File]
    made_from: Mapping[str, str]
    done: Mapping[str, File]
    """Those that are there."""
    kept: dict[str, File] = field(default_factory=dict)

    def begin(self) -> None:
        """To be called once, before the first is kept, when the stage is open: what is to be made anew stays as long as
        nobody is there to make it."""
        ledger.reopen(self.run.folder / self.stage.folder, self.done.values())

    def place(self, index: int) -> tuple[int, ...]:
        """Return what the stage's function is given besides: for rounds, which and the number of the shard."""
        round_, shard = divmod(index, len(self.parts))
        return (round_ + 1, shard) if isinstance(self.stage, Rounds) else ()

    def read(self, index: int) -> pa.Table:
        part = self.parts[index % len(self.parts)]
        return store.read_checked(self.run.folder / self.stage.after[0].folder, part)

    def keep(self, index: int, rows: pa.Table, result: Any) -> File:
        result = schemas.conform(result, self.stage.writes)
        if self.stage.same_rows and rows.column("id") != result.column("id"):
            raise VerifyError(
                f"stage {self.stage.name!r}, shard {index}: {rows.num_rows} rows went in, and other rows came out",
                fix="this is a bug in the stage: please report it",
            )
        name = store.part_name(index)
        file = store.write_part(self.run.folder / self.stage.folder, index, result, self.made_from[name])
        self.kept[name] = file
        return file


def here(shards: Shards, missing: Sequence[int], workspace: Workspace) -> None:
    """Make shards in this process."""
    stage = shards.stage
    with stage.open(workspace) as resource:
        shards.begin()
        if inspect.iscoroutinefunction(stage.fn):
            loop.run(_concurrently(stage.fn, resource, shards, missing))
            return
        for index in missing:
            workspace.stop.check()
            rows = shards.read(index)
            advance(workspace.progress, shards.keep(index, rows, stage.fn(rows, resource, *shards.place(index))))


async def _concurrently(
    fn: Callable[[pa.Table, Any], Awaitable[pa.Table]], resource: Any, shards: Shards, missing: Sequence[int]
) -> None:
    """Run the coroutine function on as many shards as it takes to have `rows_ahead` rows under way.

    Shards are started in order and the resource serves first come, first served, so that the rows of one passage
    stay close together; what bounds memory is `rows_ahead` plus one shard. Asked to stop, it starts nothing, and keeps
    the shards that come to their end within the grace time.
    """
    running: dict[asyncio.Future[pa.Table], tuple[int, pa.Table]] = {}
    waiting = iter(missing)
    stop = shards.run.stop
    try:
        while True:
            while not stop.requested and sum(max(1, rows.num_rows) for _, rows in running.values()) < max(
                1, shards.stage.rows_ahead(resource)
            ):
                if (index := next(waiting, None)) is None:
                    break
                rows = await asyncio.to_thread(shards.read, index)
                running[asyncio.ensure_future(fn(rows, resource))] = (index, rows)
            if not running or (stop.requested and not stop.seconds_left):
                break
            done, _ = await asyncio.wait(running, timeout=_POLL, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                at, rows = running.pop(task)
                if stop.requested and isinstance(task.exception(), ModelError | Stopped):
                    continue  # not begun, or an engine that was told to stop as well
                await asyncio.to_thread(shards.keep, at, rows, task.result())
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if len(shards.kept) < len(missing):
        stop.check()


def _fold(stage: Fold, run: Run) -> Mapping[str, float]:
    folder, making = run.folder / stage.folder, fresh_folder(run.folder / stage.folder)
    made_from = store.inputs(run.folder, stage)
    assert isinstance(made_from, str)
    total = sum(part.rows for part in store.finished(run.folder / stage.after[0].folder, stage.after[0]).parts)
    for side in stage.after[1:]:
        if isinstance(side, Fold):  # of other stages a fold reads shards, which are checked, or counts
            store.check(run.folder / side.folder, side)
    with run.display(stage, total) as bar:

        def shards() -> Iterator[pa.Table]:
            for rows in store.read_parts(run.folder, stage.after[0], stage.columns):
                run.stop.check()
                yield rows
                bar.advance(rows.num_rows, rows.num_rows)

        try:
            counts = stage.fn(shards(), Workspace(making, run.folder, bar, run.stop))
        except OSError as error:
            raise StoreError(
                f"{making}: {error.strerror or error}",
                fix="free disk space or mend permissions, then run the same command again",
            ) from error
        if stage.same_rows:
            _balance(stage, counts, total)
        store.finish(making, stage, counts, store.describe(making, made_from))
        replace_folder(making, folder)
        return _totals(bar)


def _balance(stage: Stage, counts: Mapping[str, int], rows: int) -> None:
    """Nothing lost, nothing twice: the rows of all fates are the rows that went in."""
    if sum(counts.values()) != rows:
        raise VerifyError(
            f"stage {stage.name!r}: {rows:,} rows went in, and {sum(counts.values()):,} are accounted for: {dict(counts)}",
            fix="this is a bug in the stage: please report it",
        )


def _total(files: Iterable[File]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for file in files:
        counts.update(file.counts)
    return dict(sorted(counts.items()))


def advance(bar: Progress, file: File) -> None:
    """Say that a shard is made."""
    bar.advance(file.rows, file.counts.get(schemas.OK, 0))


def _totals(bar: Any) -> Mapping[str, float]:
    found: Mapping[str, float] = getattr(bar, "totals", {})
    return found
