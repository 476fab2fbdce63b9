"""Hard negatives of accepted rows: how many, how near, and how much nearer the positive is."""

from functools import partial

from synth.report import charts
from synth.report.figure import Figure, Section, Table, binned, percent, several, used
from synth.report.seen import Seen

_MOST_COLUMNS = 30


def section(seen: Seen) -> Section | None:
    counts = seen.counts
    total = sum(number * rows for number, rows in counts.negatives.items())
    if not counts.negatives:
        return None
    if not total:
        return Section("negatives", "Hard negatives", "Negatives", "No row has negatives.")
    figures = [_number(seen, total), _cosines(seen, total), _margins(seen)]
    if counts.negative_relevances:
        figures.append(_relevances(seen))
    return Section("negatives", "Hard negatives", "Negatives", "Of accepted rows.", figures)


def _number(seen: Seen, total: int) -> Figure:
    counts, asked = seen.counts.negatives, seen.config.negatives.per_query
    few = sum(rows for number, rows in counts.items() if number < asked)
    said = several(few, "row has", "rows have") if few else "no row has"
    text = f"{total / sum(counts.values()):.1f} on average; {asked:,} were asked for, and {said} fewer."
    rows = [{"range": f"{number}", "kind": "rows", "rows": counts[number]} for number in range(max(counts) + 1)]
    spec = partial(charts.columns, rows, {"rows": "kept"}, "negatives") if len(rows) <= _MOST_COLUMNS else None
    return Figure("Negatives of a row", text, spec, Table(("negatives", "rows"), sorted(counts.items())))


def _cosines(seen: Seen, total: int) -> Figure:
    bins = dict(seen.counts.negative_cosines)
    colours = used({"mined": "kept", "written": "other"}, bins)
    kinds = [f"{sum(number for (kind, _), number in bins.items() if kind == name):,} {name}" for name in colours]
    text = f"{several(total, 'negative')}: {', '.join(kinds)}."
    spec = partial(charts.histogram, bins, colours, "cosine of query and negative")
    return Figure("Cosine of query and negatives", text, spec, binned(bins))


def _margins(seen: Seen) -> Figure:
    bins = {("rows", at): number for at, number in seen.counts.margins.items()}
    nearer = sum(number for (_, at), number in bins.items() if at >= 0)
    text = (
        "The cosine of the positive less that of the hardest negative: "
        f"of {percent(nearer, sum(bins.values()))} of the rows, the positive is the nearer one."
    )
    spec = partial(charts.histogram, bins, {"rows": "kept"}, "difference of cosines", (0.0, "equal"))
    return Figure("How much nearer the positive is", text, spec, binned(bins))


def _relevances(seen: Seen) -> Figure:
    bins = {("rows", at): number for at, number in seen.counts.negative_relevances.items()}
    most = seen.config.judge.max_negative
    text = f"{several(sum(bins.values()), 'negative')} that the reranker read."
    text += f" One that reaches {most:g} may answer the query, and is none." if most is not None else ""
    mark = None if most is None else (most, f"limit {most:g}")
    spec = partial(charts.histogram, bins, {"rows": "kept"}, "relevance of the negative to the query", mark)
    return Figure("Relevance of the negatives", text, spec, binned(bins))
