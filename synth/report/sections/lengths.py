"""How long queries and positives are."""

from collections import Counter
from functools import partial

from synth.figures import quantiles
from synth.report import charts
from synth.report.figure import Figure, Section, Table
from synth.report.seen import Seen

_TITLES = {"query": "Queries", "positive": "Positives"}
_BINS = 30
"""Bins of a chart; the last one has all that is longer."""


def section(seen: Seen) -> Section | None:
    figures = [_lengths(_TITLES[name], found) for name, found in seen.counts.characters.items() if found]
    return (
        Section("lengths", "How long the texts are", "Lengths", "Of accepted rows, in characters.", figures)
        if figures
        else None
    )


def _lengths(title: str, found: Counter[int]) -> Figure:
    said = quantiles({float(value): number for value, number in found.items()})
    width = next(
        (step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if step >= said["p95"] / 20), 10_000
    )
    bins = Counter[int]()
    for value, number in found.items():
        bins[min(value // width, _BINS)] += number
    rows = [
        {"range": f"{at * width:,}{'+' if at == _BINS else ''}", "kind": "accepted", "rows": bins[at]}
        for at in range(min(bins), max(bins) + 1)
    ]
    text = (
        f"Half of them have {said['p25']:,.0f} to {said['p75']:,.0f} characters; "
        if said["p25"] < said["p75"]
        else f"Most have {said['p50']:,.0f} characters; "
        f"the median is {said['p50']:,.0f}, the longest {said['max']:,.0f}."
    )
    table = Table(("quantile", "characters"), [(name, int(value)) for name, value in said.items()])
    spec = partial(charts.columns, rows, {"accepted": "kept"}, f"characters, in steps of {width:,}")
    return Figure(title, text, spec, table)
