"""What a section of the report is made of: a chart says in a sentence what is seen, and has its numbers in a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from synth.report.draw import Spec


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: Sequence[tuple[str | int | float, ...]]


@dataclass(frozen=True)
class Figure:
    title: str
    text: str
    """What is seen, in a sentence or two: read out in the chart's place, too."""
    spec: Spec | None
    """Null: the table alone says it, and is open."""
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


def duration(seconds: float) -> str:
    """Write a time: 0.4 s, 48 s, 3 min 20 s, 5 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds) // 60
    return f"{minutes} min {round(seconds) % 60} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
