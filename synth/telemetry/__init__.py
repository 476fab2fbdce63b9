"""What a run tells those who watch over it, once it has ended, however it ended: a Prometheus text file, OpenTelemetry.

Nothing here changes a run or its exit code: what cannot be told is said on stderr.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synth.errors import ConfigError, InputError, SynthError

if TYPE_CHECKING:
    from synth.accounts import Account
    from synth.executors import Display
    from synth.stage import Stage

DONE, NOTHING_NEW, STOPPED, FAILED = "done", "nothing_new", "stopped", "failed"
STATES = (DONE, NOTHING_NEW, STOPPED, FAILED)
_NOTHING_PLANNED = (ConfigError.exit_code, InputError.exit_code)
"""To look for rows would be to wait once more for a store that is not there."""


@dataclass(frozen=True)
class StageRun:
    """One stage, as far as it came this time. Times are nanoseconds since 1970."""

    name: str
    started: int
    finished: int
    rows: int
    ok: int
    """Rows that are still in the running."""
    totals: Mapping[str, float]
    """Requests, tokens and the like."""
    whole: bool
    """Whether it came to its end."""


@dataclass
class Watch:
    """What is known of a command while it runs, and in the end."""

    command: str
    config: str
    """Path as given on the command line: known also where the config cannot be read."""
    run: str = ""
    state: str = FAILED
    exit_code: int = 1
    error: str = ""
    """Class of the error. Not its text, which may quote documents."""
    started: int = field(default_factory=time.time_ns)
    seconds: float = 0.0
    stages: list[StageRun] = field(default_factory=list)
    account: "Account | None" = None
    """Rows of the run, or of the release."""
    dataset_rows: int | None = None
    so_far: Callable[[], "Account | None"] = lambda: None
    """Draws up the account of a run that has ended early."""

    def over(self, display: "Display") -> "Display":
        """Return a display that is watched."""

        def opened(stage: "Stage", total: int | None) -> AbstractContextManager[Any]:
            return self._watched(stage.name, display(stage, total))

        return opened

    @contextmanager
    def _watched(self, stage: str, display: AbstractContextManager[Any]) -> Iterator[Any]:
        with display as bar:
            started, whole = time.time_ns(), False
            try:
                yield bar
                whole = True
            finally:
                self.stages.append(StageRun(stage, started, time.time_ns(), bar.rows, bar.ok, dict(bar.totals), whole))

    def total(self, name: str) -> float:
        """Return what the stages counted this time, e.g. `requests`."""
        return sum(stage.totals.get(name, 0) for stage in self.stages)

    def ended(self, state: str, account: "Account", dataset_rows: int) -> None:
        self.state, self.exit_code = state, 0
        self.account, self.dataset_rows = account, dataset_rows


@contextmanager
def watched(command: str, config: Path, metrics: Path | None = None) -> Iterator[Watch]:
    """Watch over a command, and tell in the end what became of it. Raises ConfigError where `metrics` cannot be written."""
    from synth.telemetry import otel, prometheus

    if metrics is not None:
        prometheus.check(metrics)
    named = os.fsencode(config).decode("utf-8", "backslashreplace")  # a label is text, a path need not be
    watch, began = Watch(command, named), time.monotonic()
    try:
        yield watch
    except BaseException as error:
        watch.state, watch.exit_code, watch.error = _of(error, watch.state)
        raise
    finally:
        watch.seconds = time.monotonic() - began
        if metrics is not None or otel.wanted():
            _tell(watch, metrics)


def _of(error: BaseException, state: str) -> tuple[str, int, str]:
    match error:
        case click.exceptions.Exit():
            return state, error.exit_code, ""
        case SynthError():
            return error.state, error.exit_code, type(error).__name__
        case click.ClickException():
            return FAILED, error.exit_code, type(error).__name__
        case KeyboardInterrupt():
            return STOPPED, 130, type(error).__name__
        case _:
            return FAILED, 1, type(error).__name__


def _tell(watch: Watch, metrics: Path | None) -> None:
    from synth.telemetry import otel, prometheus

    try:
        if watch.account is None and watch.exit_code not in _NOTHING_PLANNED:
            watch.account = watch.so_far()
    except Exception as error:  # whatever it is: the exit code is the run's
        say(f"rows of the run are not known: {type(error).__name__}")
    if metrics is not None:
        try:
            prometheus.write(watch, metrics)
        except Exception as error:
            say(f"{metrics}: cannot be written: {getattr(error, 'strerror', None) or error}")
    otel.send(watch, os.environ)


def say(what: str) -> None:
    from synth.secrets import redact
    from synth.terminal import messages
    from synth.visible import visible

    messages().print(f"telemetry: {visible(redact(what))}", markup=False, highlight=False, soft_wrap=True)
