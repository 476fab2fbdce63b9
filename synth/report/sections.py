"""The sections of the report, in order, from what was seen of a run. One without data is left out, or says so in a sentence."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product

from synth import languages
from synth.errors import ConfigError
from synth.figures import quantiles
from synth.report import charts, wanted
from synth.report.counts import ACCEPTED, BINS, FACETS, LOW, OTHER, RANKS
from synth.report.figure import Figure, Section, Table, duration, percent, rate, several
from synth.report.reasons import meaning
from synth.report.seen import OVER, Seen
from synth.report.wanted import PLANNED, TARGET, WEIGHT, Wanted
from synth.visible import one_line

_FATES = {ACCEPTED: "accepted", LOW: "low_cosine", OTHER: "other reasons"}
_FATE_COLOURS = {"accepted": "kept", "low_cosine": "rejected", "other reasons": "other"}
_MOST = 16
"""Bars of a chart: of more names, the last one stands for all the others."""
_PLURAL = {"language": "Languages", "type": "Types", "difficulty": "Difficulties", "length": "Lengths"}
_ROWS_OF_MAP = 24
_WANTED = {TARGET: "targets", WEIGHT: "weights", PLANNED: "planned rows"}


def sections(seen: Seen) -> list[Section]:
    made: list[Callable[[Seen], Section | None]] = [
        funnel, mix, languages_and_tasks, similarity, lengths, duplicates, negatives, throughput,
    ]  # fmt: skip
    return [section for make in made if (section := make(seen))]


def funnel(seen: Seen) -> Section:
    account, steps = seen.account, seen.steps
    rows = []
    for step in steps:
        lost = step.rows_in - step.rows_out
        label = f"{step.rows_out:,}" + (f"  (−{lost:,})" if lost else "")
        rows.append({"stage": step.stage, "fate": "went on", "start": 0, "end": step.rows_out, "label": "" if lost else label})
        if lost:
            rows.append({"stage": step.stage, "fate": "left here", "start": step.rows_out, "end": step.rows_in, "label": label})
    reasons = [
        (reason, step.stage, kind, number)
        for step in steps
        for kind, found in (("rejected", step.rejected), ("failed", step.failed))
        for reason, number in found.items()
    ]
    reasons.sort(key=lambda found: (-found[3], found[0]))
    figures = []
    if account.planned:
        table = Table(
            ("stage", "rows in", "rejected", "failed", "rows out"),
            [(s.stage, s.rows_in, sum(s.rejected.values()), sum(s.failed.values()), s.rows_out) for s in steps],
        )
        text = f"{several(account.planned, 'row')} planned, {account.written:,} written: {percent(account.written, account.planned)}."
        figures.append(Figure("From planned to written", text, partial(charts.funnel, rows), table, wide=not reasons))
    if reasons:
        first = reasons[0]
        text = f"The most frequent is {first[0]}, of {several(first[3], 'row')}"
        text += f": {meaning(first[0])}." if meaning(first[0]) else "."
        bars = [
            {"name": reason, "number": number, "label": f"{number:,}", "kind": kind}
            for reason, _, kind, number in reasons[:_MOST]
        ]
        colours = {kind: kind for kind in ("rejected", "failed") if any(bar["kind"] == kind for bar in bars)}
        table = Table(
            ("reason", "stage", "rows", "of planned", "what it is"),
            [(reason, stage, number, percent(number, account.planned), meaning(reason)) for reason, stage, _, number in reasons],
        )
        figures.append(Figure("Why rows are out", text, partial(charts.bars, bars, colours), table))
    return Section("funnel", "What became of the rows", "Funnel", _before(seen), figures)


def _before(seen: Seen) -> str:
    said = []
    for step in seen.before:
        out = {**step.rejected, **step.failed}
        if out:
            why = ", ".join(f"{reason} {number:,}" for reason, number in sorted(out.items(), key=lambda found: -found[1]))
            said.append(f"{step.stage}: {step.rows_in - step.rows_out:,} of {several(step.rows_in, 'passage')} out ({why})")
    rows = f"{seen.account}."
    if over := seen.account.rejected.get(OVER):
        rows += f" {several(over, 'row')} of these came through, and {'is' if over == 1 else 'are'} beyond what the targets ask for."
    return f"{rows} Before that, {'; '.join(said)}." if said else rows


def mix(seen: Seen) -> Section | None:
    counts = seen.counts
    figures, same = [], []
    if len(counts.tasks) > 1:
        found = {task: (counts.total(task=task), counts.total(task=task, fate=ACCEPTED)) for task in counts.tasks}
        figures.append(_shares("Tasks", found, wanted.of_tasks(seen.config, counts)))
    for task, name in product(counts.tasks, FACETS):
        rows: dict[str, tuple[int, int]] = {}
        for (dimension, of_task, value, came), number in counts.facets.items():
            if (dimension, of_task) == (name, task):
                all_, accepted = rows.get(value, (0, 0))
                rows[value] = (all_ + number, accepted + (number if came == ACCEPTED else 0))
        if not any(accepted for _, accepted in rows.values()):
            continue
        asked = wanted.of(seen.config, counts, task, name)
        values = {value for value, (_, accepted) in rows.items() if accepted} | set(asked.shares)
        of = f" of {task}" if len(counts.tasks) > 1 else ""
        if len(values) == 1:
            value = values.pop()
            same.append(f"All accepted rows{of} have the {name} {called(value) if name == 'language' else value}.")
            continue
        drawn = seen.config.tasks[task].choose
        more = {None: " The model chooses among all.", 1: ""}.get(drawn, f" The model chooses among {drawn} that are drawn.")
        more = more if name in ("type", "difficulty") and asked.kind != TARGET else ""
        figures.append(_shares(_PLURAL[name] + of, rows, asked, more, language=name == "language"))
    cells = seen.stats.get("targets")
    lead = ""
    if cells:
        short = [cell for cell in cells["cells"] if cell["kept"] < cell["target"]]
        lead = (
            f"{cells['stop'].capitalize()}, after {several(cells['rounds'], 'round')}: {len(cells['cells']) - len(short):,} of "
            f"{several(len(cells['cells']), 'target')} {'has' if len(cells['cells']) == 1 else 'have'} all their rows. "
        )
        figures.append(_cells(cells["cells"], len(short)))
    lead += " ".join(same)
    return Section("mix", "Shares against what was asked for", "Mix", lead, figures, flows=True) if figures or lead else None


def _cells(cells: list[dict[str, object]], short: int) -> Figure:
    head = ("target", "rows asked for", "planned", "accepted", "kept", *(["why short"] if short else []))
    rows = [
        tuple(cell.get(name, "") for name in ("cell", "target", "planned", "accepted", "kept", "short_because")[: len(head)])
        for cell in sorted(cells, key=lambda cell: (int(str(cell["kept"])) - int(str(cell["target"])), str(cell["cell"])))
    ]
    text = f"{several(short, 'target')} short of rows." if short else "None is short of rows."
    return Figure("Targets", text, None, Table(head, rows[:200]), wide=True)  # type: ignore[arg-type]


def _shares(title: str, rows: dict[str, tuple[int, int]], asked: Wanted, more: str = "", *, language: bool = False) -> Figure:
    """`rows` are, by name, all rows and accepted ones."""
    total = sum(accepted for _, accepted in rows.values())
    names = sorted({*rows, *asked.shares}, key=lambda name: (-rows.get(name, (0, 0))[1], -asked.shares.get(name, 0.0), name))
    wide = [(name, *rows.get(name, (0, 0)), asked.shares.get(name)) for name in names]
    shown = wide[:_MOST]
    if len(wide) > _MOST:
        rest = wide[_MOST - 1 :]
        shown = [*wide[: _MOST - 1], (f"{len(rest)} others", sum(r[1] for r in rest), sum(r[2] for r in rest), sum(r[3] or 0.0 for r in rest))]
        shown[-1] = (*shown[-1][:3], shown[-1][3] if asked.shares else None)
    bars = [
        {"name": called(name) if language else name, "share": accepted / (total or 1), "wanted": share, "label": percent(accepted, total)}
        for name, _, accepted, share in shown
    ]
    label = _WANTED.get(asked.kind, "")
    text = f"Of {several(total, 'accepted row')}."
    if asked.shares:
        off = sum(abs(rows.get(name, (0, 0))[1] / (total or 1) - asked.shares.get(name, 0.0)) for name in names) / 2
        match = f"{percent(off)} would have to change to match the {label}" if off >= 0.005 else f"just as the {label}"
        text = f"Of {several(total, 'accepted row')}; {match}."
    head = ("name", "rows", "accepted", "share", *([label] if label else []))
    table = [
        (called(name) if language else name, all_, accepted, percent(accepted, total), *([percent(share or 0.0)] if label else []))
        for name, all_, accepted, share in wide
    ]
    return Figure(title, text + more, partial(charts.shares, bars, label), Table(head, table))


def called(code: str) -> str:
    """Return the English name of a language; the code where it has none."""
    try:
        return languages.name(code) if code and code != languages.UNKNOWN else code or "none"
    except ConfigError:
        return code


def languages_and_tasks(seen: Seen) -> Section | None:
    counts = seen.counts
    codes = sorted({language for _, language, _ in counts.fates}, key=lambda code: (-counts.total(language=code, fate=ACCEPTED), code))
    if len(codes) * len(counts.tasks) < 2:
        return None
    rows: list[dict[str, str | int]] = []
    table: list[tuple[str, str, int, int, str]] = []
    for code in codes:
        for task in counts.tasks:
            planned, accepted = counts.total(task=task, language=code), counts.total(task=task, language=code, fate=ACCEPTED)
            rows.append({"language": called(code), "task": task, "rows": accepted, "label": f"{accepted:,}" if planned else "–"})
            if planned:
                table.append((called(code), task, planned, accepted, percent(accepted, planned)))
    table_ = Table(("language", "task", "planned", "accepted", "of planned"), table)
    if len(codes) > 1 and len(counts.tasks) > 1:
        best = max(table, key=lambda row: row[3])
        text = f"– where none was planned. The most are {best[0]} {best[1]}: {best[3]:,} of {best[2]:,} planned."
        shown = rows[: _ROWS_OF_MAP * len(counts.tasks)]
        if len(shown) < len(rows):
            text += f" The map has the first {_ROWS_OF_MAP} of {len(codes)} languages, the table all."
        figure = Figure("Accepted rows", text, partial(charts.heat, shown), table_, wide=True)
        return Section("languages", "Languages and tasks", "Languages", "", [figure])
    name = 0 if len(codes) > 1 else 1
    bars = [
        {"name": row[name], "number": row[3] / row[2], "label": f"{row[4]}, {row[3]:,} of {row[2]:,}", "kind": "accepted"}
        for row in table[:_MOST]
    ]
    text = f"Of the rows planned for each {'task' if name else 'language'}."
    figure = Figure("How many are accepted", text, partial(charts.bars, bars, {"accepted": "kept"}), table_, wide=True)
    title = "Tasks" if name else "Languages"
    return Section("languages", title, title, "", [figure])


def similarity(seen: Seen) -> Section | None:
    counts, figures = seen.counts, []
    for task in counts.tasks:
        bins = {(_FATES[fate], at): number for (of, fate, at), number in counts.cosines.items() if of == task}
        of = f" of {task}" if len(counts.tasks) > 1 else ""
        if bins:
            cutoff = seen.cutoffs.get(task)
            marks = [(cutoff, f"threshold {cutoff:.2f}")] if cutoff is not None else []
            low = sum(number for (kind, _), number in bins.items() if kind == _FATES[LOW])
            text = f"{several(sum(bins.values()), 'row')} that rules for texts let through. "
            text += f"{low:,} below the threshold of {cutoff:.3f}." if cutoff is not None else "There is no threshold."
            spec = partial(charts.histogram, bins, _used(_FATE_COLOURS, bins), "cosine of query and positive", marks)
            figures.append(Figure(f"Cosine of query and positive{of}", text, spec, _binned(bins)))
        ranks = {(_FATES[fate], at): number for (name, fate, at), number in counts.ranks.items() if name == task}
        if ranks:
            figures.append(_ranks(seen, task, of, ranks))
    if not figures:
        return None
    lead = "A cosine says little by itself: read rows near the threshold among the samples before you trust it."
    return Section("similarity", "How near queries are to their positives", "Similarity", lead, figures)


def _ranks(seen: Seen, task: str, of: str, ranks: dict[tuple[str, int], int]) -> Figure:
    names = [f"{a}" if a == b else f"{a}+" if b is None else f"{a}–{b}" for a, b in RANKS]
    last, colours = max(at for _, at in ranks), _used(_FATE_COLOURS, ranks)
    rows = [{"range": names[at], "kind": kind, "rows": ranks.get((kind, at), 0)} for at in range(last + 1) for kind in colours]
    total, first = sum(ranks.values()), sum(number for (_, at), number in ranks.items() if at == 0)
    most = seen.config.score_of(task).max_rank
    text = f"For {percent(first, total)} of {several(total, 'query', 'queries')}, no other passage is nearer than its own. "
    text += f"A rank over {most:,} is rejected as not_first." if most else "No rank is rejected."
    table = Table(
        ("rank", *colours), [(names[at], *(ranks.get((kind, at), 0) for kind in colours)) for at in range(last + 1)]
    )
    spec = partial(charts.columns, rows, colours, "rank of the positive among all passages")
    return Figure(f"Rank of the positive{of}", text, spec, table)


def _used(colours: dict[str, str], bins: dict[tuple[str, int], int]) -> dict[str, str]:
    kinds = {kind for kind, _ in bins}
    return {kind: colour for kind, colour in colours.items() if kind in kinds}


def _binned(bins: dict[tuple[str, int], int]) -> Table:
    kinds = list(dict.fromkeys(kind for kind, _ in sorted(bins)))
    places = range(min(at for _, at in bins), max(at for _, at in bins) + 1)
    rows = [(f"{at / BINS:.2f} to {(at + 1) / BINS:.2f}", *(bins.get((kind, at), 0) for kind in kinds)) for at in places]
    return Table(("from, to", *kinds), rows)


def lengths(seen: Seen) -> Section | None:
    figures = []
    for name, found in seen.counts.characters.items():
        if not found:
            continue
        said = quantiles(found)
        width = _width(found)
        bins = Counter[int]()
        for value, number in found.items():
            bins[min(value // width, 30)] += number
        rows = [
            {"range": f"{at * width:,}" if at < 30 else f"{30 * width:,}+", "kind": "accepted", "rows": bins[at]}
            for at in range(min(bins), max(bins) + 1)
        ]
        text = f"Half of them have {said['p25']:,} to {said['p75']:,} characters; the median is {said['p50']:,}, the longest {said['max']:,}."
        table = Table(("quantile", "characters"), [(key, value) for key, value in said.items()])
        plural = {"query": "Queries", "positive": "Positives"}[name]
        figures.append(Figure(plural, text, partial(charts.columns, rows, {"accepted": "kept"}, f"characters, in steps of {width:,}"), table))
    return Section("lengths", "How long the texts are", "Lengths", "Of accepted rows, in characters.", figures) if figures else None


def _width(found: Counter[int]) -> int:
    """Return the width of bins, a round number, of which some twenty have nearly all lengths."""
    spread = quantiles(found)["p95"] / 20
    return next((step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if step >= spread), 10_000)


def duplicates(seen: Seen) -> Section | None:
    counts = seen.counts
    lost = sum((size - 1) * number for size, number in counts.sizes.items())
    if not seen.account.planned:
        return None
    if not lost:
        return Section("duplicates", "Queries that say nearly the same", "Duplicates", "No two queries are nearly the same.")
    ranges = [(2, 2), (3, 3), (4, 4), (5, 9), (10, 19), (20, 49), (50, None)]
    rows = [
        (f"{a}" if a == b else f"{a}+" if b is None else f"{a}–{b}", number, number_lost)
        for a, b in ranges
        if (number := sum(n for size, n in counts.sizes.items() if a <= size <= (b or size)))
        for number_lost in [sum(n * (size - 1) for size, n in counts.sizes.items() if a <= size <= (b or size))]
    ]
    groups = sum(counts.sizes.values())
    bars = [
        {"name": f"{name} rows", "number": number, "label": f"{number:,}, lost {gone:,}", "kind": "groups"} for name, number, gone in rows
    ]
    text = f"{several(groups, 'group')} of two and more; all but the best of each are out: {several(lost, 'row')}."
    figures = [Figure("Size of the groups", text, partial(charts.bars, bars, {"groups": "kept"}), Table(("rows in the group", "groups", "rows lost"), rows))]
    largest = [
        (one_line(counts.kept[name], 160) if name in counts.kept else "(published by an earlier run)", number)
        for name, number in counts.groups.items()
    ]
    figures.append(Figure("The largest groups", "The query that was kept, and how many rows its group lost.", None, Table(("kept query", "rows lost"), largest)))
    return Section("duplicates", "Queries that say nearly the same", "Duplicates", "", figures)


def negatives(seen: Seen) -> Section | None:
    counts, figures = seen.counts, []
    wanted_number = seen.config.negatives.per_query
    if not counts.negatives:
        return None
    total = sum(number * rows for number, rows in counts.negatives.items())
    if not total:
        return Section("negatives", "Hard negatives", "Negatives", "No row has negatives.")
    rows = [{"range": f"{number}", "kind": "rows", "rows": counts.negatives[number]} for number in range(max(counts.negatives) + 1)]
    few = sum(rows for number, rows in counts.negatives.items() if number < wanted_number)
    text = f"{total / sum(counts.negatives.values()):.1f} on average; {wanted_number:,} were asked for, and {several(few, 'row has', 'rows have') if few else 'no row has'} fewer."
    table = Table(("negatives", "rows"), sorted(counts.negatives.items()))
    if max(counts.negatives) <= 30:
        figures.append(Figure("Negatives of a row", text, partial(charts.columns, rows, {"rows": "kept"}, "negatives"), table))
    bins = {key: number for key, number in counts.negative_cosines.items()}
    colours = _used({"mined": "kept", "written": "other"}, bins)
    figures.append(Figure("Cosine of query and negatives", f"{several(total, 'negative')}.", partial(charts.histogram, bins, colours, "cosine of query and negative"), _binned(bins)))
    margins = {("rows", at): number for at, number in counts.margins.items()}
    nearer = sum(number for at, number in counts.margins.items() if at >= 0)
    text = f"The cosine of the positive less that of the hardest negative: of {percent(nearer, sum(margins.values()))} of the rows, the positive is the nearer one."
    figures.append(Figure("How much nearer the positive is", text, partial(charts.histogram, margins, {"rows": "kept"}, "difference of cosines", [(0.0, "equal")]), _binned(margins)))
    return Section("negatives", "Hard negatives", "Negatives", "Of accepted rows.", figures)


def throughput(seen: Seen) -> Section | None:
    figures = []
    spent = {name: seconds for name, seconds in seen.seconds.items() if seconds}
    if not spent:
        return None
    for title, field, unit in (
        ("Requests", "requests", "a second"), ("Tokens written", "output_tokens", "a second"), ("Accepted rows", "accepted", "an hour"),
    ):  # fmt: skip
        values = [(one.start, one.end, getattr(one, field)) for one in seen.pace]
        if any(value for _, _, value in values):
            rows = [{"start": start, "end": end, "rate": value} for start, end, value in values]
            unit_, seconds = next((u, n) for u, n in (("hours", 3600), ("minutes", 60), ("seconds", 1)) if values[-1][1] * 3600 >= 2 * n or n == 1)
            rows = [{"start": start * 3600 / seconds, "end": end * 3600 / seconds, "rate": value} for start, end, value in values]
            table = Table(
                (f"{unit_} of generating", unit), [(f"{row['start']:.2f} to {row['end']:.2f}", round(row["rate"], 1)) for row in rows]
            )
            text = f"{rate(sum(row['rate'] for row in rows) / len(rows))} {unit} on average."
            figures.append(Figure(f"{title} {unit}", text, partial(charts.line, rows, f"{unit_} of generating"), table))
    whole = sum(spent.values())
    bars = [{"name": name, "number": seconds, "label": duration(seconds), "kind": "time"} for name, seconds in spent.items() if seconds >= whole / 500]
    table = Table(("stage", "time", "of all"), [(name, duration(seconds), percent(seconds, whole)) for name, seconds in spent.items()])
    longest = max(spent, key=lambda name: spent[name])
    figures.append(Figure("Time by stage", f"{duration(whole)} in all, {percent(spent[longest], whole)} of it for {longest}.", partial(charts.bars, bars, {"time": "kept"}), table))
    figures.append(Figure("Cost", "What the rows took. Rejected rows are paid for by the accepted ones.", None, _costs(seen)))
    lead = "" if seen.pace else "There is no course of time to show: it takes three shards, and their files' own times."
    return Section("time", "Time and cost", "Time", lead, figures)


def _costs(seen: Seen) -> Table:
    spent = {name: sum(by_task.values()) for name, by_task in seen.stats["spent"].items()}
    rows: list[tuple[str | int | float, ...]] = [(name.replace("_", " "), number) for name, number in spent.items()]
    if seconds := seen.seconds.get("generate"):
        rows += [("requests a second, generating", round(spent["requests"] / seconds, 1)),
                 ("tokens written a second, generating", round(spent["output_tokens"] / seconds, 1))]  # fmt: skip
    if found := seen.speed:
        rows += [("requests per accepted row", round(found.requests_per_row, 1)), ("prompt tokens per accepted row", round(found.prompt_tokens_per_row)),
                 ("tokens written per accepted row", round(found.output_tokens_per_row))]  # fmt: skip
        if found.rows_per_hour:
            rows.append(("accepted rows an hour, all stages", round(found.rows_per_hour)))
        if found.prefix_cache_hit_rate is not None:
            rows.append(("prompt tokens that the prefix cache had", percent(found.prefix_cache_hit_rate)))
    return Table(("what", "number"), rows)
