"""Languages and tasks: a map of accepted rows where there are several of both, else what share of planned rows is accepted."""

from functools import partial

from synth.report import charts
from synth.report.counts import ACCEPTED
from synth.report.figure import MOST, Figure, Section, Table, language, percent
from synth.report.seen import Seen

_LINES = 24
"""Languages of the map; the table has all."""


def section(seen: Seen) -> Section | None:
    counts = seen.counts
    codes = {code: counts.total(language=code, fate=ACCEPTED) for _, code, _ in counts.fates}
    ordered = sorted(codes, key=lambda code: (-codes[code], code))
    cells = [
        (
            language(code),
            task,
            counts.total(task=task, language=code),
            counts.total(task=task, language=code, fate=ACCEPTED),
        )
        for code in ordered
        for task in counts.tasks
    ]
    if len(cells) < 2:
        return None
    table = Table(
        ("language", "task", "planned", "accepted", "of planned"),
        [(*cell, percent(cell[3], cell[2])) for cell in cells if cell[2]],
    )
    if len(codes) > 1 and len(counts.tasks) > 1:
        best = max(cells, key=lambda cell: cell[3])
        text = f"– where none was planned. The most are {best[0]} {best[1]}: {best[3]:,} of {best[2]:,} planned."
        if len(codes) > _LINES:
            text += f" The map has {_LINES} of {len(codes)} languages, the table all."
        shown = [
            {"language": name, "task": task, "rows": accepted, "label": f"{accepted:,}" if planned else "–"}
            for name, task, planned, accepted in cells[: _LINES * len(counts.tasks)]
        ]
        figure = Figure("Accepted rows", text, partial(charts.heat, shown), table, wide=True)
        return Section("languages", "Languages and tasks", "Languages", "", [figure])
    at, title, one = (0, "Languages", "language") if len(codes) > 1 else (1, "Tasks", "task")
    bars = [
        {
            "name": cell[at],
            "number": cell[3] / cell[2],
            "label": f"{percent(cell[3], cell[2])}, {cell[3]:,} of {cell[2]:,}",
            "kind": "accepted",
        }
        for cell in cells[:MOST]
    ]
    text = f"Of the rows planned for each {one}."
    figure = Figure("How many are accepted", text, partial(charts.bars, bars, {"accepted": "kept"}), table, wide=True)
    return Section("languages", title, title, "", [figure])
