"""Ending a run early and whole: on SIGTERM, on SIGINT, or when its time is up.

Whoever does work asks `stop.requested` before it begins something new, and lets what is under way come to its end.
A second SIGINT leaves at once: everything on disk is whole at any moment, so that costs only what was in flight.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from synth.errors import Stopped

GRACE = 20.0
"""Seconds for what is in flight: Kubernetes and Slurm kill 30 s after they ask, by default."""
LATE = 3.0
"""Seconds past the grace time after which a stage that does not look up (one that loads a model, say) is broken off."""


def duration(text: str) -> float:
    """Read `90`, `90s`, `45m`, `3.5h` or `2d` as seconds. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a time: give seconds, or a number with s, m, h or d, e.g. 90m or 3.5h")
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    if seconds > 10**9:
        raise ValueError(f"{text!r} is more than thirty years")
    return seconds


class Stop:
    """Whether and why to stop, and how long what is in flight may still take."""

    def __init__(self, max_seconds: float | None = None, grace: float = GRACE) -> None:
        self.grace = grace
        self._why: str | None = None
        self._until = None if max_seconds is None else time.monotonic() + max_seconds
        self._limit = f"--max-time: {max_seconds:g} s are over" if max_seconds is not None else ""
        self._deadline: float | None = None
        self.during = ""
        """The stage that is under way, for people."""

    def request(self, why: str) -> None:
        if self._why is None:
            self._why = why
            self._deadline = time.monotonic() + self.grace

    @property
    def requested(self) -> bool:
        if self._why is None and self._until is not None and time.monotonic() >= self._until:
            self.request(self._limit)
        return self._why is not None

    @property
    def seconds_to_go(self) -> float | None:
        """Seconds until `max_seconds` are over; null without a limit."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    @property
    def seconds_left(self) -> float:
        """Seconds until what is in flight is broken off; the whole grace time while nobody asked to stop."""
        return self.grace if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def error(self) -> Stopped:
        return Stopped(
            f"stopped early ({self._why}){self.during and f' in stage {self.during!r}'}: what is finished, and every answer so far, is kept",
            fix="run the same command again to go on",
        )

    def check(self) -> None:
        """Raise Stopped when a stop is requested."""
        if self.requested:
            raise self.error()


@contextlib.contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """Let SIGTERM, SIGHUP (a terminal that has gone; not under nohup) and the first SIGINT request a stop.

    To be used in the main thread.
    """

    def asked(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        interrupts.extend([number] * (number == signal.SIGINT))
        if len(interrupts) > 1:
            _leave()
        if seen:
            return
        seen.append(number)
        stop.request(name)
        signal.setitimer(signal.ITIMER_REAL, stop.seconds_left + LATE, LATE)
        with contextlib.suppress(OSError):  # a terminal that has gone
            # Not `print`: the handler may have come in the middle of one.
            os.write(
                2, f"{name}: finishing what is in flight, {stop.grace:.0f} s at most; Ctrl-C leaves at once\n".encode()
            )

    interrupts: list[int] = []
    seen: list[int] = []

    def late(*_: object) -> None:
        if stop.requested:
            raise stop.error()

    before = [
        (number, signal.signal(number, handler))
        for number, handler in (
            (signal.SIGTERM, asked),
            (signal.SIGINT, asked),
            (signal.SIGHUP, asked),
            (signal.SIGALRM, late),
        )
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]
    if stop.seconds_to_go is not None:
        signal.setitimer(signal.ITIMER_REAL, stop.seconds_to_go + stop.grace + LATE, LATE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before:
            signal.signal(number, handler)


def _leave() -> NoReturn:
    with contextlib.suppress(OSError):
        shown = b"\x1b[?25h" if os.isatty(2) else b""  # the progress display hides the cursor
        os.write(2, shown + b"\nleft at once: run the same command again to go on\n")
    os._exit(130)
