"""Estimates and states, for a person at a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from synth.estimate import Estimate, duration


def render(found: Estimate) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    rejected = ", ".join(f"{name.partition('/')[2]} {number:,}" for name, number in found.rejected_passages.items())
    table.add_row("passages", f"{found.passages:,}" + (f"   rejected: {rejected}" if rejected else ""))
    table.add_row(
        "rows to write", f"{found.rows:,}   " + ", ".join(f"{code} {n:,}" for code, n in found.languages.items())
    )
    if len(found.tasks) > 1:
        table.add_row("of tasks", ", ".join(f"{name} {n:,}" for name, n in found.tasks.items()))
    if found.target_rows:
        table.add_row(
            "targets",
            f"{found.target_rows:,} accepted rows; what follows is the first round, further ones plan what is short",
        )
    for cell, rows in found.without_room.items():
        table.add_row("no room", Text(f"{cell}: the corpus has room for {rows:,} rows", style="yellow"))
    table.add_row("requests", f"{found.requests:,}")
    table.add_row("prompt tokens", f"{found.prompt_tokens:,}   {found.tokens_counted_by}, before the prefix cache")
    measured = "at this run's measured length" if found.output_measured else "a rough guess: answers of a few words"
    table.add_row("output tokens", f"{found.output_tokens:,}   {measured}")
    table.add_row("time", (f"{duration(found.seconds)}   at " if found.seconds is not None else "") + found.speed)
    return table


def releases(lines: Iterable[Mapping[str, Any]]) -> Table:
    names = ("release", "state", "planned", "rows", "withdrawn", "folder")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name in ("state", "folder") else "right")
    for line in lines:
        table.add_row(
            *(
                "" if line[name] is None else Text(f"{line[name]:,}" if name in names[2:5] else str(line[name]))
                for name in names
            )
        )
    return table


def status(lines: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("stage", "state", "ok", "dropped", "seconds", "engine"):
        table.add_column(name, justify="left" if name in ("stage", "state", "engine") else "right")
    for line in lines:
        counts = line["counts"]
        ok = counts.get("ok", sum(counts.values()))
        out = sum(counts.values()) - ok
        state = line["state"] + (f" ({line['parts']} shards)" if line["parts"] else "")
        table.add_row(
            line["stage"],
            Text(state, style={"done": "green", "to do": "dim"}.get(line["state"], "yellow")),
            f"{ok:,}" if counts else "",
            f"{out:,}" if out else "",
            f"{line['seconds']:,.1f}" if "seconds" in line else "",
            _engine(line),
        )
    return table


def _engine(line: Mapping[str, Any]) -> str:
    if not line.get("requests"):
        return ""
    asked = line["requests"] - line.get("replayed", 0)
    if not asked:
        return f"{line['replayed']:,.0f} answers out of the journal"
    cached = line["cached_tokens"] / max(1, line["prompt_tokens"])
    return (
        f"{asked:,.0f} requests, {line['output_tokens'] / max(line['seconds'], 1e-9):,.0f} tok/s out, "
        f"{cached:.0%} of prompt tokens from the prefix cache"
    )
