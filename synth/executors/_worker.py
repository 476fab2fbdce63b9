"""What runs on a node: one open stage in a thread of its own, and the shards that go through it.

The thread does what the local executor does in the main thread: opens the stage, has an event loop if the stage's function
is a coroutine, closes the stage. Knows nothing of how it is reached: `ray.py` makes an actor of it.
"""

import asyncio
import concurrent.futures
import functools
import inspect
import logging
import os
import queue
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import __version__, loop, store
from synth.errors import StoreError, SynthError
from synth.executors import _keeper
from synth.secrets import redact
from synth.stage import Map, Workspace
from synth.stop import Stop

PULSE = 0.5
"""Seconds between two reports."""
SEEN = 10.0
"""Seconds to wait for the run's folder to be seen: network file systems remember for some that a file was not there."""


@dataclass(frozen=True)
class Job:
    """A stage to open, and where."""

    stage: Map
    run: Path
    """The run's folder, absolute."""
    cwd: str
    """The driver's folder: relative paths in a config mean the same on every node."""
    content: str
    """Manifest.content of what the shards come from, by which a worker sees that it sees the same folder."""
    version: str
    """The driver's version of synth."""
    keeper: Any
    """Handle of the Keeper."""


@dataclass
class Report:
    """What happened since the report before."""

    rows: int = 0
    ok: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    said: list[tuple[int, str]] = field(default_factory=list)
    """Level and text of what was logged."""
    ahead: int = 0
    """Rows that should be under way."""


class Worker:
    """Its methods are called from one event loop, and interleave."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report = Report()
        self._stage: _Open | None = None
        self._log = _Said(self)
        logging.getLogger("synth").addHandler(self._log)

    async def open(self, job: Job) -> int:
        """Open a stage; return for how many rows shards should be under way. Raises what opening it raises."""
        self._stage = _Open(job, self)
        await self._stage.opened()
        return self._stage.ahead

    async def compute(self, rows: pa.Table, place: Sequence[int]) -> tuple[pa.Table, int]:
        """Make a shard; return it, and for how many rows shards should be under way."""
        assert self._stage is not None
        return await self._stage.compute(rows, place), self._stage.ahead

    async def report(self) -> Report:
        """Return what happened since last time, after PULSE, or when the stage is closed."""
        assert self._stage is not None
        await self._stage.wait(PULSE)
        return self.take()

    async def stop(self, why: str, seconds: float) -> None:
        """Begin nothing more; what is under way has so many seconds."""
        if self._stage:
            self._stage.stop.grace = seconds
            self._stage.stop.request(why)

    async def close(self) -> Report:
        """Close the stage, breaking off what is under way. Raises what closing it raises."""
        assert self._stage is not None
        await self._stage.close()
        return self.take()

    def advance(self, rows: int, ok: int, **totals: float) -> None:
        """The stage's progress."""
        with self._lock:
            self._report.rows += rows
            self._report.ok += ok
            self._report.totals.update(totals)

    def say(self, level: int, text: str) -> None:
        with self._lock:
            self._report.said.append((level, text))

    def take(self) -> Report:
        with self._lock:
            taken, self._report = self._report, Report()
        taken.ahead = self._stage.ahead if self._stage else 0
        return taken


class _Open:
    """A stage in its thread."""

    def __init__(self, job: Job, worker: Worker) -> None:
        self._job = job
        self._worker = worker
        self.stop = Stop()
        self.stop.during = job.stage.name
        self._resource: Any = None
        self._is_coroutine = inspect.iscoroutinefunction(job.stage.fn)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: queue.SimpleQueue[tuple[concurrent.futures.Future[pa.Table], pa.Table, Sequence[int]] | None]
        self._work = queue.SimpleQueue()
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._closed: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._closing, self._over = asyncio.Event(), asyncio.Event()
        threading.Thread(target=self._run, name=f"stage {job.stage.name}", daemon=True).start()

    @property
    def ahead(self) -> int:
        asked = self._is_coroutine and not self._closing.is_set()
        return self._job.stage.rows_ahead(self._resource) if asked else 0

    async def opened(self) -> None:
        await asyncio.wrap_future(self._opened)

    async def compute(self, rows: pa.Table, place: Sequence[int]) -> pa.Table:
        try:
            if self._is_coroutine:
                assert self._loop is not None
                future = asyncio.run_coroutine_threadsafe(self._job.stage.fn(rows, self._resource), self._loop)  # type: ignore[arg-type]
            else:
                future = concurrent.futures.Future()
                self._work.put((future, rows, place))
            return await asyncio.wrap_future(future)
        except SynthError as error:
            raise _redacted(error) from None

    async def wait(self, seconds: float) -> None:
        """Return after so long, or when the stage is closing."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    async def close(self) -> None:
        self._closing.set()
        if self._loop:
            self._loop.call_soon_threadsafe(self._over.set)
        else:
            self.stop.request("closing")
            self._work.put(None)
        await asyncio.wrap_future(self._closed)

    def _run(self) -> None:
        job = self._job
        try:
            _check_place(job)
            keeper = functools.partial(_keeper.opened, keeper=job.keeper)
            folder = job.run / job.stage.folder
            with job.stage.open(Workspace(folder, job.run, self._worker, self.stop, keeper)) as self._resource:
                if self._is_coroutine:
                    loop.run(self._serve())
                else:
                    self._opened.set_result(None)
                    self._work_off()
            self._closed.set_result(None)
        except BaseException as error:
            told = _redacted(error) if isinstance(error, SynthError) else error
            (self._closed if self._opened.done() else self._opened).set_exception(told)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened.set_result(None)
        await self._over.wait()  # `loop.run` cancels what is left, and waits for it

    def _work_off(self) -> None:
        """Make shards one after the other, in the order in which they came."""
        while work := self._work.get():
            future, rows, place = work
            try:
                self.stop.check()
                future.set_result(self._job.stage.fn(rows, self._resource, *place))
            except BaseException as error:
                future.set_exception(error)


class _Said(logging.Handler):
    """Takes what synth warns of here to the driver; keys are known here, so they are struck out here."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(logging.WARNING)
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        self._worker.say(record.levelno, redact(record.getMessage()))


def _redacted(error: SynthError) -> SynthError:
    error.what, error.fix = redact(error.what), redact(error.fix)
    error.args = (error.what,)
    error.__cause__ = error.__context__ = None  # it may not go over the wire, and quotes what is struck out here
    return error


def _check_place(job: Job) -> None:
    """Go to the driver's folder, and see that all is as it is there. Raises StoreError."""
    node = socket.gethostname()
    if job.version != __version__:
        raise StoreError(
            f"node {node} has synth {__version__}, the driver {job.version}",
            fix="install the same version on all nodes: another one would write other rows",
        )
    try:
        os.chdir(job.cwd)
    except OSError as error:
        raise StoreError(
            f"node {node}: {job.cwd}, where synth was started, is not there: {error.strerror}",
            fix="start synth in a folder that all nodes share, under the same path",
        ) from error
    before = job.stage.after[0]
    until = time.monotonic() + SEEN
    while (
        not store.has_manifest(job.run, before)
        or store.finished(job.run / before.folder, before).content != job.content
    ):
        if time.monotonic() > until:
            raise StoreError(
                f"node {node} does not see the run: {job.run / before.folder} is not there, or not the driver's",
                fix="put `outputs` on a file system that all nodes share (NFS, Lustre, …), under the same path",
            )
        time.sleep(PULSE)
