"""When each stage was run and how long it took: a line of timings.jsonl each.

Kept apart from manifests, which must not differ between two equal runs.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synth.files import append_line
from synth.settings import fingerprint
from synth.stage import Stage

FILE = "timings.jsonl"
_SUMS = {
    "seconds",
    "requests",
    "replayed",
    "prompt_tokens",
    "cached_tokens",
    "output_tokens",
    "prefix_cache_queries",
    "prefix_cache_hits",
}


def note(run: Path, stage: Stage, seconds: float, **more: Any) -> None:
    line = {
        "stage": stage.name,
        "fingerprint": stage.fingerprint,
        "settings": settings_of(stage),
        "seconds": round(seconds, 3),
        "finished": round(time.time(), 3),
        **more,
    }
    append_line(run / FILE, json.dumps(line).encode())


def settings_of(stage: Stage) -> str:
    """Hash a stage's own settings, whatever it works on: two stages of the same run alike."""
    return fingerprint({"stage": stage.name, "settings": stage.settings})


def entries(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of the file, in order; a torn one is skipped."""
    with contextlib.suppress(FileNotFoundError):
        for line in (run / FILE).read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, AttributeError):
                entry = json.loads(line)
                if {"fingerprint", "seconds"} <= entry.keys():
                    yield entry


def read(run: Path) -> dict[str, dict[str, Any]]:
    """Return the newest entry per fingerprint: the last one of the file, whatever the clock said.

    What a later round of a run with targets took is added to what the rounds before it did."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries(run):
        if entry.get("whole", True):
            before = found.get(entry["fingerprint"], {}) if entry.get("adds") else {}
            found[entry["fingerprint"]] = {
                **entry,
                **{name: before[name] + entry[name] for name in _SUMS & before.keys() & entry.keys()},
            }
    return found


def seconds(run: Path, stage: Stage) -> float:
    """Return the time that a stage has taken in all: of all rounds, and of sessions that were stopped."""
    return sum((float(entry["seconds"]) for entry in entries(run) if entry["fingerprint"] == stage.fingerprint), 0.0)
