"""How fast the run went, and what an accepted row cost."""

from functools import partial

from synth.report import charts
from synth.report.figure import Figure, Section, Table, duration, percent, rate, several
from synth.report.seen import Seen

_LINES = (
    ("Requests", "requests", "a second"),
    ("Tokens written", "output_tokens", "a second"),
    ("Accepted rows", "accepted", "an hour"),
)
_UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))
_LEAST = 500
"""A stage that took less than this part of all the time is in the table only."""


def section(seen: Seen) -> Section | None:
    if not any(seen.seconds.values()):
        return None
    lead = (
        ""
        if seen.pace
        else "No chart over time: that takes three shards at least, in the folder where the run wrote them."
    )
    lines = [figure for title, field, unit in _LINES if (figure := _line(seen, title, field, unit))]
    figures = [
        *lines,
        _stages(seen),
        Figure("Cost", "Rejected rows are paid for by the accepted ones.", None, _costs(seen)),
    ]
    return Section("time", "Time and cost", "Time", lead, figures)


def _line(seen: Seen, title: str, field: str, unit: str) -> Figure | None:
    values = [(one.start * 3600, one.end * 3600, float(getattr(one, field))) for one in seen.pace]
    if not any(value for _, _, value in values):
        return None
    name, seconds = next(known for known in _UNITS if values[-1][1] >= 2 * known[1] or known[1] == 1)
    rows = [{"start": start / seconds, "end": end / seconds, "rate": value} for start, end, value in values]
    table = Table(
        (f"{name} of generating", unit),
        [(f"{row['start']:.2f} to {row['end']:.2f}", round(row["rate"], 1)) for row in rows],
    )
    text = f"{rate(sum(row['rate'] for row in rows) / len(rows))} {unit} on average."
    return Figure(f"{title} {unit}", text, partial(charts.line, rows, f"{name} of generating"), table)


def _stages(seen: Seen) -> Figure:
    spent = {name: seconds for name, seconds in seen.seconds.items() if seconds}
    whole, longest = sum(spent.values()), max(spent, key=lambda name: spent[name])
    bars = [
        {"name": name, "number": seconds, "label": duration(seconds), "kind": "time"}
        for name, seconds in spent.items()
        if seconds * _LEAST >= whole
    ]
    text = f"{duration(whole)} in all, {percent(spent[longest], whole)} of it for {longest}."
    table = Table(
        ("stage", "time", "of all"),
        [(name, duration(seconds), percent(seconds, whole)) for name, seconds in spent.items()],
    )
    return Figure("Time by stage", text, partial(charts.bars, bars, {"time": "kept"}), table)


def _costs(seen: Seen) -> Table:
    spent = {name: sum(by_task.values()) for name, by_task in seen.stats["spent"].items()}
    rows: list[tuple[str, str]] = [(name.replace("_", " "), f"{number:,}") for name, number in spent.items()]
    if seconds := seen.seconds.get("generate"):
        rows.append(("requests a second, generating", rate(spent["requests"] / seconds)))
        rows.append(("tokens written a second, generating", rate(spent["output_tokens"] / seconds)))
    if found := seen.speed:
        rows.append(("requests per accepted row", f"{found.requests_per_row:.1f}"))
        rows.append(("prompt tokens per accepted row", f"{found.prompt_tokens_per_row:,.0f}"))
        rows.append(("tokens written per accepted row", f"{found.output_tokens_per_row:,.0f}"))
        if found.rows_per_hour:
            rows.append(("accepted rows an hour, all stages", rate(found.rows_per_hour)))
        if found.prefix_cache_hit_rate is not None:
            rows.append(("prompt tokens that the prefix cache had", percent(found.prefix_cache_hit_rate)))
    if replayed := seen.generated.get("replayed"):
        rows.append(("answers out of the journal, in the last session", several(int(replayed), "answer")))
    return Table(("what", "number"), rows)
