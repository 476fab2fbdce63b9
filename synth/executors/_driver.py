"""The driver's side of a map over workers: hands out shards, takes in what comes back, does without whom it loses.

Knows actors and references only; `ray.py` gives it the library and the actors.
"""

import contextlib
import heapq
import inspect
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from synth import __version__, store
from synth.errors import ModelError, Stopped, SynthError
from synth.executors._worker import Job, Report
from synth.executors.local import Shards, advance
from synth.schemas import OK
from synth.stage import Workspace

_POLL = 0.1
"""Seconds between two looks at whether to stop."""
_AT_LEAST = 2
"""Shards that a worker has under way, so that the next is there when one ends."""
_LEAVING, _BREAKING_OFF = 60.0, 2.0
"""Seconds that workers have to close a stage: when it is through, and when a run ends early (it may be killed soon)."""
_WORTH_A_WORD = 60.0
"""Seconds without a worker after which a log should say why nothing happens."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Needs:
    """What a worker takes of a node."""

    cpus: float
    gpus: float

    @property
    def resources(self) -> dict[str, float]:
        return {kind: number for kind, number in (("CPU", self.cpus), ("GPU", self.gpus)) if number}

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"


@dataclass(frozen=True)
class Crew:
    """Where workers come from."""

    ray: Any
    keeper: Any
    needs: Needs
    start: Callable[[], Any]
    """Asks for one actor more."""
    tries: int
    patience: float
    there: Callable[[], str]
    """Says what the cluster has: `10.0.0.1 has …`."""


@dataclass(eq=False)
class _Hand:
    """A worker."""

    actor: Any
    opening: Any
    pulse: Any = None
    """The report that is waited for; null until the stage is open."""
    ahead: int = 0
    running: dict[Any, tuple[int, pa.Table, int]] = field(default_factory=dict)
    """By reference of the result: number of the shard, its ids, its rows."""
    told: Counter[str] = field(default_factory=Counter)
    """`rows` and `ok` that it has reported of shards that it has not given back."""

    @property
    def rows(self) -> int:
        return sum(max(1, rows) for _, _, rows in self.running.values())

    @property
    def has_room(self) -> bool:
        return self.pulse is not None and (len(self.running) < _AT_LEAST or self.rows < self.ahead)


def make(crew: Crew, actors: Sequence[Any], shards: Shards, missing: Sequence[int], workspace: Workspace) -> list[Any]:
    """Make the missing shards; return the actors that are there for the next stage.

    Raises what a worker raised, Stopped, or ModelError when workers are lost again and again or none comes.
    """
    driver = _Driver(crew, shards, missing, workspace)
    try:
        for actor in actors:
            driver.welcome(actor)
        driver.run()
        if len(shards.kept) < len(missing):
            workspace.stop.check()
    except BaseException:
        driver.leave(_BREAKING_OFF, stay=False)
        raise
    return driver.leave(_LEAVING)


class _Driver:
    def __init__(self, crew: Crew, shards: Shards, missing: Sequence[int], workspace: Workspace) -> None:
        self.crew, self.shards, self.workspace = crew, shards, workspace
        self.waiting = sorted(missing)
        self.hands: list[_Hand] = []
        self.lost: Counter[int] = Counter()
        """Workers lost, by shard."""
        self.in_a_row = 0
        """Workers lost since a shard was kept."""
        self.begun = self.stopping = self.has_warned = False
        self.alone_since = time.monotonic()
        self.is_coroutine = inspect.iscoroutinefunction(shards.stage.fn)
        run, before = workspace.run.absolute(), shards.stage.after[0]
        content = store.finished(run / before.folder, before).content
        job = Job(shards.stage, run, os.getcwd(), content, __version__, crew.keeper)
        self.job = crew.ray.put(job)

    def welcome(self, actor: Any) -> None:
        self.hands.append(_Hand(actor, actor.open.remote(self.job)))

    def run(self) -> None:
        """Return when all is made, or when the time to stop is over."""
        missing, most, stop = len(self.waiting), len(self.hands), self.workspace.stop
        while len(self.shards.kept) < missing:
            if stop.requested:
                self._tell_to_stop()
                if not stop.seconds_left or not any(hand.running for hand in self.hands):
                    return
            else:
                self._hand_out()
            self._take_in(most)
            self._be_patient()

    def leave(self, seconds: float, *, stay: bool = True) -> list[Any]:
        """Let workers close the stage, and see those off that have not by then; return the others."""
        ray, left = self.crew.ray, list[_Hand]()
        closing = [(hand, hand.actor.close.remote()) for hand in self.hands if hand.pulse is not None]
        until = time.monotonic() + seconds
        try:
            for hand, ref in closing:
                try:
                    for report in ray.get([hand.pulse, ref], timeout=max(0.0, until - time.monotonic())):
                        self._note(hand, report)
                    left.append(hand)
                except ray.exceptions.RayTaskError as error:
                    if stay:  # else the run ends with another one
                        raise (error.cause if isinstance(error.cause, SynthError) else error) from None
                except ray.exceptions.RayError:  # lost, or too slow: all that it had to make is there
                    self._forget(hand)
        finally:
            for hand in self.hands:
                if not stay or hand not in left:
                    self._dismiss(hand)
        return [hand.actor for hand in left]

    def _tell_to_stop(self) -> None:
        if not self.stopping:
            stop = self.workspace.stop
            for hand in self.hands:
                hand.actor.stop.remote(str(stop.error()), stop.seconds_left)
        self.stopping = True

    def _hand_out(self) -> None:
        """Give shards, the first of them first, to the workers that have the fewest rows.

        On its last try a shard has a worker for itself: if that dies, no other shard was the reason."""
        while self.waiting:
            alone = self._is_last_try(self.waiting[0])
            free = [
                hand for hand in self.hands if (not hand.running if alone else hand.has_room) and self._may_share(hand)
            ]
            if not free:
                return
            hand = min(free, key=lambda hand: hand.rows)
            index = heapq.heappop(self.waiting)
            rows = self.shards.read(index)
            ids = rows.select(["id"] if self.shards.stage.same_rows else [])
            hand.running[hand.actor.compute.remote(rows, self.shards.place(index))] = (index, ids, rows.num_rows)

    def _is_last_try(self, index: int) -> bool:
        return 0 < self.lost[index] == self.crew.tries - 1

    def _may_share(self, hand: _Hand) -> bool:
        return hand.pulse is not None and not any(self._is_last_try(index) for index, _, _ in hand.running.values())

    def _take_in(self, most: int) -> None:
        """Wait a moment for news, and take in what there is."""
        ray = self.crew.ray
        news = {
            ref: hand for hand in self.hands for ref in (hand.opening, hand.pulse, *hand.running) if ref is not None
        }
        if not ray.wait(list(news), num_returns=1, timeout=_POLL)[0]:
            return
        for ref in ray.wait(list(news), num_returns=len(news), timeout=0)[0]:
            hand = news[ref]
            if hand not in self.hands:  # lost a moment ago
                continue
            try:
                self._take(hand, ref, ray.get(ref))
            except ray.exceptions.RayTaskError as error:
                if ref in hand.running and self.stopping and isinstance(error.cause, ModelError | Stopped):
                    del hand.running[ref]  # not begun, or an engine that was told to stop as well
                elif isinstance(error.cause, SynthError):
                    raise error.cause from None
                else:
                    raise  # has the traceback from there
            except ray.exceptions.RayError as error:
                self._lose(hand, str(error), most)

    def _take(self, hand: _Hand, ref: Any, found: Any) -> None:
        if ref == hand.opening:
            if not self.begun:
                self.shards.begin()
            self.begun, hand.opening, hand.ahead = True, None, found
            hand.pulse = hand.actor.report.remote()
        elif ref == hand.pulse:
            self._note(hand, found)
            hand.pulse = hand.actor.report.remote()
        else:
            index, ids, _ = hand.running.pop(ref)
            rows, hand.ahead = found
            file = self.shards.keep(index, ids, rows)
            self.in_a_row = 0
            if self.is_coroutine:  # reports its rows itself
                hand.told.subtract({"rows": file.rows, "ok": file.counts.get(OK, 0)})
            else:
                advance(self.workspace.progress, file)

    def _note(self, hand: _Hand, report: Report) -> None:
        self.workspace.progress.advance(report.rows, report.ok, **report.totals)
        hand.told.update({"rows": report.rows, "ok": report.ok})
        hand.ahead = report.ahead
        for level, text in report.said:
            _log.log(level, "%s", text)

    def _lose(self, hand: _Hand, why: str, most: int) -> None:
        """Do without a worker: its shards wait again, and another worker is asked for. Raises ModelError when that goes
        on and on."""
        stage, why = self.shards.stage.name, " ".join(why.split())[:500]
        self._dismiss(hand)
        self.hands.remove(hand)
        self._forget(hand)
        lost = [index for index, _, _ in hand.running.values()]
        for index in lost:
            heapq.heappush(self.waiting, index)
        self.lost.update(lost)
        if self.stopping:
            return
        self.in_a_row += 1
        fix = "is it memory? Ray's logs (/tmp/ray/session_latest/logs on that node) say more. Then run the same command again: "
        fix += "what was answered is kept"
        for index in lost:
            if self.lost[index] >= self.crew.tries:
                raise ModelError(
                    f"stage {stage!r}, shard {index}: {self.lost[index]} workers were lost with it, the last one so: {why}",
                    fix=fix,
                )
        if self.in_a_row >= self.crew.tries * most:
            raise ModelError(
                f"stage {stage!r}: {self.in_a_row} workers were lost, and no shard was made in between: {why}", fix=fix
            )
        _log.warning("stage %r: a worker was lost, its %d shards under way go to others: %s", stage, len(lost), why)
        self.welcome(self.crew.start())

    def _forget(self, hand: _Hand) -> None:
        """Take back what a worker told of rows that it has not given back."""
        self.workspace.progress.advance(-hand.told["rows"], -hand.told["ok"])

    def _dismiss(self, hand: _Hand) -> None:
        with contextlib.suppress(self.crew.ray.exceptions.RayError, ValueError):
            self.crew.ray.kill(hand.actor)

    def _be_patient(self) -> None:
        """Bear with having no open worker for a while. Raises ModelError after that."""
        if any(hand.pulse is not None for hand in self.hands):
            self.alone_since, self.has_warned = time.monotonic(), False
            return
        seconds, stage = time.monotonic() - self.alone_since, self.shards.stage.name
        said = f"stage {stage!r}: no worker is ready after {seconds:.0f} s; each needs {self.crew.needs}, and {self.crew.there()}"
        if seconds > self.crew.patience:
            raise ModelError(
                said, fix="add nodes or free them, or lower what a worker needs; executor.patience is how long to wait"
            )
        if seconds > _WORTH_A_WORD and not self.has_warned:
            self.has_warned = True
            _log.warning("%s", said)
