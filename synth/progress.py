"""How far a run is, on stderr: a live line per stage in a terminal, one line per stage elsewhere."""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from synth.secrets import redact
from synth.stage import Stage
from synth.terminal import messages
from synth.visible import visible

QUIET_SECONDS = 30.0
"""Without a terminal, say where a stage is about twice a minute: often enough for a log, seldom enough to read it."""


class Bar:
    """The display of one running stage; satisfies stage.Progress."""

    def __init__(self, stage: Stage, total: int | None, display: "Display") -> None:
        self._stage, self._total, self._display = stage, total, display
        self._task = display.live.add_task(stage.name, total=total, note="") if display.live else None
        self.rows, self.ok = 0, 0
        self.totals: Counter[str] = Counter()
        self._started = self._said = time.monotonic()

    def advance(self, rows: int, ok: int, **totals: float) -> None:
        self.rows += rows
        self.ok += ok
        self.totals.update(totals)
        if self._display.live and self._task is not None:
            self._display.live.update(self._task, advance=rows, note=self.note())
        elif time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            of = f" of {self._total:,}" if self._total else ""
            self._display.say(f"  {self._stage.name}: {self.rows:,}{of} rows, {self.note()}")

    def note(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-6)
        parts = [f"{self.rows / seconds:,.1f} rows/s"] if self.rows else []
        if self.totals["output_tokens"]:
            parts.append(f"{self.totals['output_tokens'] / seconds:,.0f} tok/s")
        if self.rows and self.ok != self.rows:
            parts.append(f"{self.ok / self.rows:.0%} accepted")
        if self._total and 0 < self.rows < self._total:
            parts.append(f"{seconds / self.rows * (self._total - self.rows):,.0f} s to go")
        return ", ".join(parts)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._started
        if self._display.live and self._task is not None:
            self._display.live.remove_task(self._task)
        if error is None:
            accepted = f", {self.ok:,} ok" if self.ok != self.rows else ""
            speed = f", {self.totals['output_tokens'] / seconds:,.0f} tok/s" if self.totals["output_tokens"] else ""
            self._display.say(
                f"✓ {self._stage.name:<10} {self.rows:>9,} rows{accepted}  {seconds:,.1f} s{speed}  ({self._stage.does})"
            )


class Display:
    """Opens a bar per stage. `live` is null when stderr is no terminal."""

    def __init__(self, console: Console, live: Progress | None) -> None:
        self._console, self.live = console, live

    def __call__(self, stage: Stage, total: int | None) -> Bar:
        return Bar(stage, total, self)

    def say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class _Log(logging.Handler):
    """Says synth's warnings beside the bars: they may quote a document, a model or a server, so without control
    characters and keys."""

    def __init__(self, display: Display) -> None:
        super().__init__(logging.WARNING)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.say(f"{record.levelname.lower()}: {visible(redact(record.getMessage()))}")


@contextmanager
def shown() -> Iterator[Display]:
    """Open the display, and send what synth logs there."""
    with _display() as display:
        log, handler = logging.getLogger("synth"), _Log(display)
        log.addHandler(handler)
        try:
            yield display
        finally:
            log.removeHandler(handler)


@contextmanager
def _display() -> Iterator[Display]:
    console = messages()
    if not console.is_terminal:
        yield Display(console, None)
        return
    columns: list[ProgressColumn] = [
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(),
        _Count(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True) as live:
        yield Display(console, live)


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}/{task.total:,.0f}" if task.total else f"{task.completed:,.0f}")
