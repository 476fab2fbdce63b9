"""The mix that came out, against the targets, or the weights that the plan drew by."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

from synth.report import charts, wanted
from synth.report.counts import ACCEPTED, FACETS
from synth.report.figure import MOST, Figure, Section, Table, language, percent, several
from synth.report.seen import Seen
from synth.report.wanted import PLANNED, TARGET, WEIGHT, Wanted

_PLURAL = {"language": "Languages", "type": "Types", "difficulty": "Difficulties", "length": "Lengths"}
_WANTED = {TARGET: "targets", WEIGHT: "weights", PLANNED: "planned rows"}
_CELLS = 200
"""Targets in the table, the shortest of rows first; all are in stats.json."""
Found = Mapping[str, tuple[int, int]]
"""By name, all rows and accepted ones."""


def section(seen: Seen) -> Section | None:
    counts, figures, same = seen.counts, list[Figure](), list[str]()
    if len(counts.tasks) > 1 and counts.total(fate=ACCEPTED):
        found: Found = {
            task: (counts.total(task=task), counts.total(task=task, fate=ACCEPTED)) for task in counts.tasks
        }
        figures.append(_shares("Tasks", found, wanted.of_tasks(seen.config, counts)))
    for task, name in product(counts.tasks, FACETS):
        found = {(language(value) if name == "language" else value): n for value, n in counts.facet(name, task).items()}
        if not any(accepted for _, accepted in found.values()):
            continue
        asked = wanted.of(seen.config, counts, task, name)
        if name == "language":
            asked = Wanted(asked.kind, {language(code): share for code, share in asked.shares.items()})
        values = {value for value, (_, accepted) in found.items() if accepted} | set(asked.shares)
        of = f" of {task}" if len(counts.tasks) > 1 else ""
        if len(values) == 1:
            same.append(f"All accepted rows{of} have the {name} {values.pop()}.")
        else:
            figures.append(_shares(_PLURAL[name] + of, found, asked, _chosen(seen, task, name, asked)))
    said, targets = _targets(seen)
    lead = " ".join([*said, *same])
    if not figures and not lead:
        return None
    return Section("mix", "Shares against what was asked for", "Mix", lead, [*figures, *targets], flows=True)


def _chosen(seen: Seen, task: str, dimension: str, asked: Wanted) -> str:
    """Say what is left to the model: the weights are then no shares to come to."""
    number = seen.config.tasks[task].choose
    if dimension not in ("type", "difficulty") or asked.kind == TARGET or number == 1:
        return ""
    return f" The model chooses among {'all' if number is None else f'{number:,} that are drawn'}."


def _shares(title: str, found: Found, asked: Wanted, more: str = "") -> Figure:
    total = sum(accepted for _, accepted in found.values())
    rows = [(name, *found.get(name, (0, 0)), asked.shares.get(name, 0.0)) for name in {**found, **asked.shares}]
    rows.sort(key=lambda row: (-row[2], -row[3], row[0]))
    bars = [
        {
            "name": name,
            "share": accepted / (total or 1),
            "wanted": share if asked.shares else None,
            "label": percent(accepted, total) + (f" against {percent(share)}" if asked.shares else ""),
        }
        for name, _, accepted, share in _merged(rows)
    ]
    label = _WANTED.get(asked.kind, "")
    text = f"Of {several(total, 'accepted row')}"
    if asked.shares:
        off = sum(abs(accepted / (total or 1) - share) for _, _, accepted, share in rows) / 2
        text += (
            f"; {percent(off)} would have to change to match the {label}"
            if off >= 0.005
            else f"; their shares are those of the {label}"
        )
    table = Table(
        ("name", "rows", "accepted", "share", *([label] if label else [])),
        [
            (name, all_, accepted, percent(accepted, total), *([percent(share)] if label else []))
            for name, all_, accepted, share in rows
        ],
    )
    return Figure(title, f"{text}.{more}", partial(charts.shares, bars, label), table)


def _merged(rows: Sequence[tuple[str, int, int, float]]) -> list[tuple[str, int, int, float]]:
    """Let one row stand for all that there is no room for."""
    if len(rows) <= MOST:
        return list(rows)
    rest = rows[MOST - 1 :]
    return [
        *rows[: MOST - 1],
        (
            f"{len(rest):,} others",
            sum(row[1] for row in rest),
            sum(row[2] for row in rest),
            sum(row[3] for row in rest),
        ),
    ]


def _targets(seen: Seen) -> tuple[list[str], list[Figure]]:
    found = seen.stats.get("targets")
    if not found:
        return [], []
    cells: list[dict[str, Any]] = sorted(found["cells"], key=lambda cell: (cell["kept"] - cell["target"], cell["cell"]))
    short = sum(cell["kept"] < cell["target"] for cell in cells)
    met = f"{len(cells) - short:,} of {several(len(cells), 'target')} {'has' if len(cells) == 1 else 'have'} all their rows"
    said = f"{found['stop'].capitalize()}, after {several(found['rounds'], 'round')}: {met}."
    names = ("cell", "target", "planned", "accepted", "kept", *(["short_because"] if short else []))
    head = ("target", "rows asked for", "planned", "accepted", "kept", *(["why short"] if short else []))
    table = Table(head, [tuple(cell.get(name, "") for name in names) for cell in cells[:_CELLS]])
    text = f"{several(short, 'target is', 'targets are')} short of rows." if short else "None is short of rows."
    if len(cells) > _CELLS:
        text += f" The first {_CELLS} of {len(cells):,}; all are in stats.json."
    return [said], [Figure("Targets", text, None, table, wide=True)]
