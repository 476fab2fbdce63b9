"""Queries that say nearly the same: how large their groups are, and what each lost."""

from functools import partial

from synth.report import charts
from synth.report.figure import Figure, Section, Table, several
from synth.report.seen import Seen
from synth.visible import one_line

_RANGES = ((2, 2), (3, 3), (4, 4), (5, 9), (10, 19), (20, 49), (50, None))


def section(seen: Seen) -> Section | None:
    title = "Queries that say nearly the same"
    if not seen.account.planned:
        return None
    if not seen.counts.sizes:
        return Section("duplicates", title, "Duplicates", "No two queries are nearly the same.")
    return Section("duplicates", title, "Duplicates", "", [_sizes(seen), _largest(seen)])


def _sizes(seen: Seen) -> Figure:
    sizes = seen.counts.sizes
    rows: list[tuple[str, int, int]] = []
    for first, last in _RANGES:
        within = {size: number for size, number in sizes.items() if first <= size <= (last or size)}
        name = f"{first}" if first == last else f"{first}+" if last is None else f"{first}–{last}"
        if within:
            rows.append((name, sum(within.values()), sum(number * (size - 1) for size, number in within.items())))
    bars = [
        {"name": f"{name} rows", "number": number, "label": f"{number:,}, lost {lost:,}", "kind": "groups"}
        for name, number, lost in rows
    ]
    groups, lost = sum(row[1] for row in rows), sum(row[2] for row in rows)
    text = f"{several(groups, 'group')} of two and more; all but the best of each are out: {several(lost, 'row')}."
    table = Table(("rows in the group", "groups", "rows lost"), rows)
    return Figure("Size of the groups", text, partial(charts.bars, bars, {"groups": "kept"}), table)


def _largest(seen: Seen) -> Figure:
    kept = seen.counts.kept
    rows = [
        (one_line(kept[name], 160) if name in kept else "(published by an earlier run)", number)
        for name, number in seen.counts.groups.items()
    ]
    text = "The query that was kept, and how many rows its group lost."
    return Figure("The largest groups", text, None, Table(("kept query", "rows lost"), rows))
