"""How many requests a server gets at once, found out from its answers alone.

Two rules. What is refused (HTTP 429, 503, a time-out) cuts the window, and from then on it grows slowly: AIMD, as TCP does.
Until then it doubles, but only as far as more requests at once bring more answers a second: beyond that they would wait
inside the server, out of order and out of its prefix cache. So it settles at one to some two times what the server computes
at once (one to four, where answers come unevenly), or at START.
"""

from dataclasses import dataclass, field

START = 32
_GROWTH, _CUT = 1.5, 0.6
_GAIN = 1.1
"""A rate this much above the best one so far is more; below it is noise."""
_LEAST_ANSWERS = 100
"""Answers that a rate is measured over, at least, once it has stopped doubling; else twice what it holds."""
_AGAIN = 50
"""Measurements until the window is tried smaller: a server's load and company change."""


@dataclass
class Window:
    most: int
    size: float = field(init=False)

    def __post_init__(self) -> None:
        self.size = self._knee = float(min(START, self.most))
        self._best, self._measured, self._answers = 0.0, 0, 0
        self._since: float | None = None
        self._cut_at, self._fast, self._full = float("-inf"), True, False

    def holds(self, requests: int) -> None:
        """Take in how many requests the server has now, after one more was given to it."""
        self._full = self._full or requests >= int(self.size)

    def answered(self, now: float) -> None:
        """Take in an answer."""
        if self._since is None:
            self._since, self._answers = now, 0
            return
        self._answers += 1
        if self._answers < (self.size if self._fast else max(_LEAST_ANSWERS, 2 * self.size)):
            return
        if not self._full:  # how fast it is with fewer says nothing of the window
            self._since = None
            return
        self._full = False
        rate = self._answers / max(now - self._since, 1e-9)
        self._since, self._answers = now, 0
        if rate > _GAIN * self._best:
            self._best, self._knee = rate, self.size
            if self._fast:
                self.size = min(float(self.most), 2 * self.size)
                return
        elif self._fast:
            self._fast, self.size = False, min(self.size, _GROWTH * self._knee)
            return
        self._measured += 1
        if self._measured % _AGAIN == 0:
            self._best, self._knee = 0.0, self.size / _GROWTH
            self.size = max(1.0, self._knee)
            return
        grown = self.size + (1 if self._cut_at > float("-inf") else (_GROWTH - 1) * self.size)
        self.size = min(float(self.most), max(self.size, min(grown, _GROWTH * self._knee)))

    def refused(self, now: float, asked: float) -> None:
        """Take in a refusal of a request that was asked at `asked`. One cut answers for all that were under way."""
        if asked <= self._cut_at:
            return
        self.size = max(1.0, _CUT * self.size)
        self._knee, self._best, self._since, self._cut_at, self._fast = self.size, 0.0, None, now, False
