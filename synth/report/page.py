"""The page: sections and samples put into one HTML file that asks for nothing and runs nothing but its own script.

Rows are data: in the file as JSON in which no `<` is left, on the page as text only (report.js sets `textContent`, never
markup). The page's own policy allows its one script and its one style sheet, by their hashes, and no request at all.
"""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from synth import __version__, card
from synth.report import draw
from synth.report.counts import ACCEPTED
from synth.report.figure import Figure, Section, duration, language, percent, several
from synth.report.samples import Pack, embedded, shortened
from synth.report.sections import sections
from synth.report.seen import Seen

_DATA = Path(__file__).parents[1] / "data" / "report"
HALF, WIDE, NARROW = 508, 1078, 336
"""Widths of a chart in pixels: one of two in a row, alone in a row, and on a phone. The style sheet has the same."""


def render(seen: Seen, pack: Pack) -> str:
    """Write the page. The same run gives the same page."""
    style, script = (_read(f"report.{kind}") for kind in ("css", "js"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number}
    template = environment.from_string(_read("report.html.j2"))
    return template.render(
        head=_head(seen),
        sections=[(section, [(figure, _drawn(figure)) for figure in _laid_out(section)]) for section in sections(seen)],
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'",
        samples=Markup(embedded({"texts": pack.texts, "rows": pack.rows})),
        sampled=len(pack.rows),
        version=__version__,
    )


def _read(name: str) -> str:
    return (_DATA / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _laid_out(section: Section) -> list[Figure]:
    """Let one chart of an odd number take the whole width, so that no hole is left in rows of two."""
    halves = [figure for figure in section.figures if not figure.wide]
    spare = [figure for figure in halves[::2] if figure.spec] if len(halves) % 2 and not section.flows else []
    return [replace(figure, wide=True) if spare and figure is spare[-1] else figure for figure in section.figures]


def _drawn(figure: Figure) -> list[tuple[str, Markup]]:
    """Draw a figure for each width of window: the style sheet shows one of them."""
    if figure.spec is None:
        return []
    widths = {"full": WIDE, "middle": HALF, "small": NARROW} if figure.wide else {"full": HALF, "small": NARROW}
    return [(name, Markup(draw.svg(figure.spec(width=width), width))) for name, width in widths.items()]


def _number(value: str | int | float) -> str:
    return f"{value:,}" if isinstance(value, int | float) else shortened(value)


def _head(seen: Seen) -> dict[str, Any]:
    facts, counts, account = card.facts(seen.config), seen.counts, seen.account
    documents, passages = (seen.stats["distinct"][name] for name in ("documents", "passages"))
    whole = sum(seen.seconds.values())
    numbers = [
        (
            "rows written",
            f"{account.written:,}",
            f"of {account.planned:,} planned, {percent(account.written, account.planned)}",
        ),
        ("passages used", f"{passages:,}", f"from {several(documents, 'document')}"),
        ("languages", f"{len(counts.languages):,}", _few([language(code) for code in counts.languages])),
        (
            "tasks",
            f"{len(counts.tasks):,}",
            _few([task for task in counts.tasks if counts.total(task=task, fate=ACCEPTED)]),
        ),
    ]
    if whole:
        rate = f"{seen.speed.rows_per_hour:,.0f} rows an hour" if seen.speed and seen.speed.rows_per_hour else ""
        numbers.append(("time", duration(whole), rate))
    models = [card.public_name(name) for name in seen.stats["models"]] or [card.public_name(seen.config.engine.model)]  # type: ignore[attr-defined]
    said = [
        ("written by", ", ".join(models)),
        ("compared by", facts["embedder"]),
        *([("judged by", facts["reranker"])] if facts["reranker"] else []),
        ("corpus", f"{facts['corpus']} ({facts['corpus_licence'] or 'licence not stated'})"),
        ("dataset licence", facts["licence"] or "not stated"),
        ("seed", str(facts["seed"])),
    ]
    finished = datetime.fromtimestamp(seen.finished, UTC) if seen.finished else None
    return {
        "name": seen.name,
        "date": f"{finished.day} {finished:%B %Y, %H:%M} UTC" if finished else "",
        "numbers": numbers,
        "facts": [(name, shortened(text)) for name, text in said],
    }


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
