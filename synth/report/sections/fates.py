"""What became of the rows: the funnel from planned to written, and the reasons."""

from functools import partial

from synth.report import charts
from synth.report.figure import MOST, Figure, Section, Table, percent, several
from synth.report.reasons import meaning
from synth.report.seen import OVER, Seen


def section(seen: Seen) -> Section:
    reasons = _reasons(seen)
    figures = [_funnel(seen, wide=not reasons)] if seen.account.planned else []
    figures += [_why(seen, reasons)] if reasons else []
    return Section("funnel", "What became of the rows", "Funnel", _lead(seen), figures)


def _lead(seen: Seen) -> str:
    said = f"{seen.account}."
    if over := seen.account.rejected.get(OVER):
        said += f" {several(over, 'row')} of these came through and {'is' if over == 1 else 'are'} beyond what the targets ask for."
    before = [
        f"{step.stage}: {step.rows_in - step.rows_out:,} of {several(step.rows_in, 'passage')} out ({_listed(out)})"
        for step in seen.before
        if (out := {**step.rejected, **step.failed})
    ]
    return f"{said} Before that, {'; '.join(before)}." if before else said


def _listed(out: dict[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in sorted(out.items(), key=lambda found: -found[1]))


def _funnel(seen: Seen, *, wide: bool) -> Figure:
    rows = []
    for step in seen.steps:
        lost = step.rows_in - step.rows_out
        went_on = {"stage": step.stage, "fate": "went on", "start": 0, "end": step.rows_out}
        left = {"stage": step.stage, "fate": "left here", "start": step.rows_out, "end": step.rows_in}
        rows.append({**went_on, "label": "" if lost else f"{step.rows_out:,}"})
        rows += [{**left, "label": f"{step.rows_out:,}  (−{lost:,})"}] if lost else []
    account = seen.account
    table = Table(
        ("stage", "rows in", "rejected", "failed", "rows out"),
        [(s.stage, s.rows_in, sum(s.rejected.values()), sum(s.failed.values()), s.rows_out) for s in seen.steps],
    )
    share = percent(account.written, account.planned)
    text = f"{several(account.planned, 'row')} planned, {account.written:,} written: {share}."
    return Figure("From planned to written", text, partial(charts.funnel, rows), table, wide=wide)


def _reasons(seen: Seen) -> list[tuple[str, str, str, int]]:
    """Return reason, stage, `rejected` or `failed`, and rows, the most frequent first."""
    found = [
        (reason, step.stage, kind, number)
        for step in seen.steps
        for kind, reasons in (("rejected", step.rejected), ("failed", step.failed))
        for reason, number in reasons.items()
    ]
    return sorted(found, key=lambda row: (-row[3], row[0]))


def _why(seen: Seen, reasons: list[tuple[str, str, str, int]]) -> Figure:
    first, _, _, most = reasons[0]
    text = f"The most frequent is {first}, of {several(most, 'row')}"
    text += f": {meaning(first)}." if meaning(first) else "."
    bars = [
        {"name": reason, "number": number, "label": f"{number:,}", "kind": kind}
        for reason, _, kind, number in reasons[:MOST]
    ]
    colours = {kind: kind for kind in ("rejected", "failed") if any(bar["kind"] == kind for bar in bars)}
    table = Table(
        ("reason", "stage", "rows", "of planned", "what it is"),
        [
            (reason, stage, number, percent(number, seen.account.planned), meaning(reason))
            for reason, stage, _, number in reasons
        ],
    )
    return Figure("Why rows are out", text, partial(charts.bars, bars, colours), table)
