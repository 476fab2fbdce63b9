"""Rows for a person at a terminal: what was asked, what was written, what became of it.

All texts pass `visible` and are printed as `rich.text.Text`, never as markup: what a model wrote cannot colour,
retitle or scroll the terminal.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from synth import store
from synth.errors import ConfigError, StoreError
from synth.figures import SCORED, TRAIN, Step
from synth.figures import funnel as steps_of
from synth.plugins import did_you_mean
from synth.schemas import stable_seed
from synth.stage import Stage
from synth.store import Manifest
from synth.visible import one_line, visible

_LONG, _SHORT = 600, 120
_FEW = 12
"""Cells of a table: a terminal shows no more at once."""
_COLOURS = {"ok": "green", "rejected": "yellow", "failed": "red"}


@dataclass(frozen=True, order=True)
class _Found:
    """Where a row lies: `key` decides which rows are shown, the rest in which order."""

    key: int
    file: int
    group: int
    row: int


def rows(
    run: Path,
    stage: Stage,
    *,
    reason: str | None = None,
    status: str | None = None,
    id: str | None = None,
    number: int = 5,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Pick rows of a finished stage, from all its shards alike; the same call gives the same rows.

    `id` may be the beginning of one. Raises ConfigError for a reason that no row has, and for a stage without reasons.
    """
    folder = run / stage.folder
    manifest = store.finished(folder, stage)
    if not manifest.parts or "id" not in stage.writes.names:
        raise ConfigError(f"stage {stage.name!r} has no rows to show", fix="name a stage that has rows, e.g. negatives")
    if (reason or status) and "status" not in stage.writes.names:
        raise ConfigError(
            f"stage {stage.name!r}: its rows have no status or reason",
            fix="leave the option out, or name a stage between generate and negatives",
        )
    known = sorted({name.partition("/")[2] for name in manifest.counts if "/" in name})
    if reason and reason not in known:
        raise ConfigError(
            f"stage {stage.name!r}: no row has the reason {reason!r}{did_you_mean(reason, known)}",
            fix=f"one of: {', '.join(known)}" if known else "none was rejected or failed here",
        )
    wanted = {name: value for name, value in (("status", status), ("reason", reason)) if value}
    parts = [folder / file.name for file in manifest.parts if not file.name.startswith(f"{SCORED}/")]
    return _pick(parts, wanted, id or "", number, seed)


def _pick(paths: list[Path], wanted: Mapping[str, str], id: str, number: int, seed: int) -> list[dict[str, Any]]:
    """Read ids and what is `wanted` of all rows; read whole only those whose ids hash lowest with `seed`."""
    found: list[_Found] = []
    for file, path in enumerate(paths):
        for group, part in _groups(path, ["id", *wanted]):
            columns = [part.column(name).to_pylist() for name in wanted]
            found += [
                _Found(stable_seed("show", seed, name), file, group, row)
                for row, name in enumerate(part.column("id").to_pylist())
                if name.startswith(id) and all(c[row] == v for c, v in zip(columns, wanted.values(), strict=True))
            ]
            found = heapq.nsmallest(number, found)
    chosen = sorted(found, key=lambda at: (at.file, at.group, at.row))
    return [
        part.slice(at.row, 1).to_pylist()[0]
        for at in chosen
        for _, part in _groups(paths[at.file], None, only=at.group)
    ]


def _groups(path: Path, columns: list[str] | None, *, only: int | None = None) -> Iterator[tuple[int, pa.Table]]:
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups) if only is None else [only]:
                yield group, file.read_row_group(group, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path}: damaged or not readable: {error}", fix="see what `synth verify` says") from error


def render(row: Mapping[str, Any]) -> RenderableType:
    """Lay out a row of any stage: passages, plans, pairs, or rows of the dataset."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", width=10, no_wrap=True)
    grid.add_column(overflow="fold")

    def line(label: str, text: Any, style: str = "", limit: int = _LONG) -> None:
        if text not in (None, "", []):
            grid.add_row(label, Text(one_line(str(text), limit), style=style))

    line("query", row.get("query"), "bold")
    told = next((name for name in ("positive", "passage", "text") if row.get(name)), "text")
    line(told, row.get(told))
    for text, score in zip(row.get("negatives") or [], row.get("negative_scores") or [], strict=False):
        line(f"neg {score:.3f}", text, limit=_SHORT)
    line("persona", row.get("persona"))
    if not row.get("persona"):
        for text in (row.get("personas") or [])[:5]:
            line("candidate", text, limit=_SHORT)
    line("asked for", ", ".join(str(row[name]) for name in ("type", "difficulty", "length") if row.get(name)))
    line("language", _languages(row))
    cosine = row.get("cosine", row.get("positive_score"))
    line("cosine", None if cosine is None else f"{cosine:.3f}, rank {row.get('rank') or '–'}")
    line("source", " · ".join(str(row[name]) for name in ("title", "source") if row.get(name)), limit=_SHORT)
    if row.get("status"):
        grid.add_row("status", _fate(row))
    title = Text(" · ".join(visible(str(row[name])) for name in ("id", "task") if row.get(name)), style="dim")
    return Panel(grid, title=title, title_align="left", box=box.ROUNDED, border_style="dim")


def _languages(row: Mapping[str, Any]) -> str:
    if "query_language" not in row:
        return str(row.get("language") or "")
    query, other = row["query_language"], row.get("positive_language") or row["passage_language"]
    return str(query) if query == other else f"query {query}, positive {other}"


def _fate(row: Mapping[str, Any]) -> Text:
    text = ": ".join(str(row[name]) for name in ("status", "reason", "detail") if row.get(name))
    return Text(one_line(text, _LONG), style=_COLOURS.get(str(row["status"]), ""))


def funnel(manifests: Iterable[Manifest]) -> Table:
    """Lay out what each stage let through, and why not the rest; `manifests` in pipeline order."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    for name in ("in", "out", "failed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("rejected, by reason", overflow="fold")
    for step in steps_of(manifests):
        failed = sum(step.failed.values())
        table.add_row(
            Text(visible(step.stage)),
            f"{step.rows_in:,}",
            f"{step.rows_out:,}",
            Text(f"{failed:,}", style="red") if failed else "",
            _reasons(step),
        )
    return table


def _reasons(step: Step) -> Text:
    """List reasons, the most frequent first; failures have theirs in red."""
    found = [(name, number, "") for name, number in step.rejected.items()]
    found += [(name, number, "red") for name, number in step.failed.items()]
    found.sort(key=lambda item: (-item[1], item[0]))
    return Text(", ").join(Text(f"{visible(name)} {number:,}", style=style) for name, number, style in found)


def targets(found: Mapping[str, Any]) -> RenderableType:
    """Say what became of the targets (see `figures.steered`): why the run stopped, and which cells are short."""
    short = [cell for cell in found["cells"] if cell["kept"] < cell["target"]]
    rounds = f"{found['rounds']} round{'' if found['rounds'] == 1 else 's'}"
    said = f"{found['stop']}, after {rounds}: {len(found['cells']) - len(short):,} of {len(found['cells']):,} targets have all their rows"
    parts: list[RenderableType] = [Text(f"{said}; distance of shares {found['distance']:.3f}")]
    if short:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("short", "target", "planned", "accepted", "why"):
            table.add_column(name, justify="left" if name in ("short", "why") else "right")
        for cell in sorted(short, key=lambda cell: cell["kept"] - cell["target"])[:_FEW]:
            numbers = (f"{cell[name]:,}" for name in ("target", "planned", "accepted"))
            table.add_row(Text(visible(cell["cell"])), *numbers, Text(cell.get("short_because", "")))
        parts.append(table)
    if len(short) > _FEW:
        parts.append(Text(f"and {len(short) - _FEW:,} more: all are in README.md and stats.json of the dataset"))
    return Group(*parts)


def triples(dataset_folder: Path, number: int = 5) -> RenderableType:
    """Show rows of the dataset's train split."""
    paths = sorted((dataset_folder / "data").glob(f"{TRAIN}-*.parquet"))
    if not paths:
        raise StoreError(f"{dataset_folder}: no dataset here", fix="run `synth run` with its config first")
    picked = _pick(paths, {}, "", number, 0)
    return Group(*map(render, picked)) if picked else Text("The dataset has no rows.")
