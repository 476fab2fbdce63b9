"""What a section of the report is made of: a chart says in a sentence what is seen, and has its numbers in a table."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from synth import languages
from synth.errors import ConfigError
from synth.report.counts import BINS
from synth.report.draw import Spec

MOST = 16
"""Bars of a chart: more names than these are no longer read."""


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: Sequence[tuple[str | int | float, ...]]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column has numbers, shares or times: those stand at the right."""
        columns = zip(*self.rows, strict=True) if self.rows else [[""]] * len(self.head)
        return [at > 0 and all(map(_is_number, column)) for at, column in enumerate(columns)]


@dataclass(frozen=True)
class Figure:
    title: str
    text: str
    """What is seen, in a sentence or two: read out in the chart's place, too."""
    spec: Callable[..., Spec] | None
    """Returns the chart, given its `width`; null where the table alone says it, and is open."""
    table: Table
    wide: bool = False
    """Whether it takes the whole width of the page."""


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    short: str
    """For the navigation: a word."""
    lead: str = ""
    figures: list[Figure] = field(default_factory=list)
    flows: bool = False
    """Whether its figures flow down two columns, since their heights differ much; else they stand in rows."""


def binned(bins: Mapping[tuple[str, int], int]) -> Table:
    """Return a histogram {(kind, bin): number} of cosines as a table, a column a kind."""
    kinds = list(dict.fromkeys(kind for kind, _ in sorted(bins)))
    places = range(min(at for _, at in bins), max(at for _, at in bins) + 1)
    rows: list[tuple[str | int, ...]] = [
        (f"{at / BINS:.2f} to {(at + 1) / BINS:.2f}", *(bins.get((kind, at), 0) for kind in kinds)) for at in places
    ]
    return Table(("from, to", *kinds), rows)


def used(colours: Mapping[str, str], bins: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Return the colours of the kinds that there are."""
    kinds = {kind for kind, _ in bins}
    return {kind: colour for kind, colour in colours.items() if kind in kinds}


def language(code: str) -> str:
    """Return the English name of a language; the code where it has none."""
    try:
        return languages.name(code) if code and code != languages.UNKNOWN else code or "none"
    except ConfigError:
        return code


def _is_number(value: str | int | float) -> bool:
    return not isinstance(value, str) or bool(re.match(r"[<>]? ?\d[\d,.]*( %| s| min| h|$)", value))


def percent(part: float, whole: float = 1.0) -> str:
    """Write a share; one that is not nothing, or not all, does not read as if it were."""
    share = part / whole if whole else 0.0
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1:
        return "> 99 %"
    return f"{share:.0%}".replace("%", " %")


def several(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: 1 row, 2 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rate(number: float) -> str:
    """Write a rate with three digits that count: 0.125, 4.21, 133, 97,420."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """Write a time: 0.4 s, 48 s, 3 min 20 s, 5 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds) // 60
    return f"{minutes} min {round(seconds) % 60} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
