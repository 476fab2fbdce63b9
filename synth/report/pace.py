"""How fast a run went, over time: when each shard of `generate` was finished, and what it had cost.

The times are those of the shards' files and of timings.jsonl. Times of files get lost when a run is copied; then there is
nothing to tell, and nothing is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synth import store, timings
from synth.report.counts import Part
from synth.stage import Stage

MOST_BINS = 40
_SLACK = 5.0
"""Seconds that a shard's time may lie outside of a session: clocks of file servers differ, and so do moments of rounding."""


@dataclass(frozen=True)
class Pace:
    """Rates over one stretch of generating."""

    start: float
    """Hours of generating before it; pauses between sessions do not count."""
    end: float
    requests: float
    """A second."""
    output_tokens: float
    """A second."""
    accepted: float
    """An hour: rows that came through all stages."""


def sessions(run: Path, stage: Stage) -> list[tuple[float, float]]:
    """Return when a stage was at work: [(start, end)] in seconds since 1970, in order."""
    return sorted(
        (entry["finished"] - entry["seconds"], entry["finished"])
        for entry in timings.entries(run)
        if entry["fingerprint"] == stage.fingerprint and "finished" in entry
    )


def finished(run: Path, stage: Stage) -> list[float]:
    """Return when each shard of a stage was written, in seconds since 1970."""
    parts = store.finished(run / stage.folder, stage).parts
    return [(run / stage.folder / part.name).stat().st_mtime for part in parts]


def over_time(sessions: Sequence[tuple[float, float]], ends: Sequence[float], parts: Sequence[Part]) -> list[Pace]:
    """Spread each shard over the time since the one before it was finished, and sum up over equal stretches.

    Nothing when the shards were not written within the sessions, or are fewer than three: a line needs points.
    """
    working = [_worked(sessions, end) for end in ends]
    if len(parts) < 3 or len(parts) != len(ends) or any(at is None for at in working):
        return []
    order = sorted(range(len(parts)), key=lambda at: (working[at], at))
    total = max(at for at in working if at is not None)
    number = min(MOST_BINS, len(parts))
    width = total / number
    if not width:
        return []
    sums = [[0.0, 0.0, 0.0] for _ in range(number)]
    before = 0.0
    for at in order:
        until = working[at]
        assert until is not None
        values = (parts[at].requests, parts[at].output_tokens, parts[at].accepted)
        for bin_, share in _shares(before, until, width, number):
            for index, value in enumerate(values):
                sums[bin_][index] += share * value
        before = until
    return [
        Pace(at * width / 3600, (at + 1) * width / 3600, requests / width, tokens / width, 3600 * accepted / width)
        for at, (requests, tokens, accepted) in enumerate(sums)
    ]


def _worked(sessions: Sequence[tuple[float, float]], moment: float) -> float | None:
    """Return the seconds of work up to a moment; null when nobody was at work then."""
    before = 0.0
    for start, end in sessions:
        if start - _SLACK <= moment <= end + _SLACK:
            return before + min(max(moment - start, 0.0), end - start)
        before += end - start
    return None


def _shares(start: float, end: float, width: float, number: int) -> list[tuple[int, float]]:
    """Return which share of the time from `start` to `end` lies in each bin."""
    if end - start <= 0:
        return [(min(int(start / width), number - 1), 1.0)]
    found = []
    for bin_ in range(min(int(start / width), number - 1), min(int(end / width), number - 1) + 1):
        last = end if bin_ == number - 1 else min(end, (bin_ + 1) * width)
        found.append((bin_, (last - max(start, bin_ * width)) / (end - start)))
    return [(bin_, share) for bin_, share in found if share > 0]
