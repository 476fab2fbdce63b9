"""The report of a finished run: one HTML file that needs nothing else, for people who would look at the data before they train.

`counts` and `samples` read the rows, once; `sections` says what there is to see, `charts` and `draw` draw it, `replay` finds
what was asked for the sampled rows, and `page` puts it together.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from synth.config import Config
from synth.files import write_atomically
from synth.report import draw, page, replay, samples
from synth.report.seen import OVER, Seen, see
from synth.schemas import REJECTED

ROWS = 300
"""Rows to sample: what one reads in an evening, and some 2 MB with their prompts."""
NAME = "report.html"
"""Its name in a run's folder, where `synth publish` finds it."""


@dataclass(frozen=True)
class Written:
    path: str
    bytes: int
    rows: int
    """Rows of the run, of all fates."""
    samples: int
    """Rows to look at; fewer than were asked for where more would make the file too large."""
    seconds: float


def report(config: Config, out: Path | None = None, rows: int = ROWS) -> Written:
    """Write the report of a finished run. Raises StoreError when it is not finished, ConfigError when nothing can be drawn."""
    draw.check()
    started = time.monotonic()
    seen = see(config, rows)
    pack = _sampled(seen)
    data = page.render(seen, pack).encode()
    path = out or config.folder / NAME
    write_atomically(path, data)
    return Written(str(path), len(data), seen.account.planned, len(pack.rows), round(time.monotonic() - started, 1))


def _sampled(seen: Seen) -> samples.Pack:
    rows = samples.read(seen.run, seen.pipeline.negatives, seen.places)
    pack = samples.Pack()
    for row, asked in zip(rows, replay.questions(seen.config, seen.run, rows), strict=True):
        over = {"status": REJECTED, "reason": OVER} if row["id"] in seen.surplus else {}
        if not pack.add({**row, **over}, asked):
            break
    return pack
