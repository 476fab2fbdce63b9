"""How near queries are to their positives: cosines and ranks, and what the reranker says, with thresholds, task by task."""

from functools import partial

from synth.report import charts
from synth.report.counts import ACCEPTED, IRRELEVANT, LOW, OTHER, RANKS
from synth.report.figure import Figure, Section, Table, binned, percent, several, used
from synth.report.seen import Seen

_FATES = {ACCEPTED: "accepted", LOW: "low_cosine", IRRELEVANT: "not_relevant", OTHER: "other reasons"}
_COLOURS = {"accepted": "kept", "low_cosine": "rejected", "not_relevant": "rejected", "other reasons": "other"}


def section(seen: Seen) -> Section | None:
    counts, figures = seen.counts, list[Figure]()
    for task in counts.tasks:
        of = f" of {task}" if len(counts.tasks) > 1 else ""
        if bins := {(_FATES[fate], at): number for (name, fate, at), number in counts.cosines.items() if name == task}:
            figures.append(_cosines(seen.cutoffs.get(task), of, bins))
        if ranks := {(_FATES[fate], at): number for (name, fate, at), number in counts.ranks.items() if name == task}:
            figures.append(_ranks(seen.config.score_of(task).max_rank, of, ranks))
        if bins := {
            (_FATES[fate], at): number for (name, fate, at), number in counts.relevances.items() if name == task
        }:
            figures.append(_relevances(seen.config.judge.min_positive, of, bins))
    lead = "A cosine says little by itself: read rows near the threshold among the samples before you trust it."
    return (
        Section("similarity", "How near queries are to their positives", "Similarity", lead, figures)
        if figures
        else None
    )


def _cosines(cutoff: float | None, of: str, bins: dict[tuple[str, int], int]) -> Figure:
    low = sum(number for (kind, _), number in bins.items() if kind == _FATES[LOW])
    text = f"{several(sum(bins.values()), 'row')} that passed the filters. "
    text += "There is no threshold." if cutoff is None else f"{low:,} below the threshold of {cutoff:.3f}."
    mark = None if cutoff is None else (cutoff, f"threshold {cutoff:.2f}")
    spec = partial(charts.histogram, bins, used(_COLOURS, bins), "cosine of query and positive", mark)
    return Figure(f"Cosine of query and positive{of}", text, spec, binned(bins))


def _relevances(least: float | None, of: str, bins: dict[tuple[str, int], int]) -> Figure:
    low = sum(number for (kind, _), number in bins.items() if kind == _FATES[IRRELEVANT])
    text = f"{several(sum(bins.values()), 'row')} that the reranker read. "
    text += "None is rejected for it." if least is None else f"{low:,} below the threshold of {least:g}."
    mark = None if least is None else (least, f"threshold {least:g}")
    spec = partial(charts.histogram, bins, used(_COLOURS, bins), "relevance of the positive to the query", mark)
    return Figure(f"Relevance of the positive{of}", text, spec, binned(bins))


def _ranks(most: int | None, of: str, ranks: dict[tuple[str, int], int]) -> Figure:
    names = [f"{a}" if a == b else f"{a}+" if b is None else f"{a}–{b}" for a, b in RANKS]
    names, colours = names[: max(at for _, at in ranks) + 1], used(_COLOURS, ranks)
    rows = [
        {"range": name, "kind": kind, "rows": ranks.get((kind, at), 0)}
        for at, name in enumerate(names)
        for kind in colours
    ]
    total, first = sum(ranks.values()), sum(number for (_, at), number in ranks.items() if at == 0)
    text = f"For {percent(first, total)} of {several(total, 'query', 'queries')}, no other passage is nearer than its own. "
    text += f"A rank over {most:,} is rejected as not_first." if most else "No rank is rejected."
    table = Table(
        ("rank", *colours), [(name, *(ranks.get((kind, at), 0) for kind in colours)) for at, name in enumerate(names)]
    )
    spec = partial(charts.columns, rows, colours, "rank of the positive among all passages")
    return Figure(f"Rank of the positive{of}", text, spec, table)
