"""export: the dataset in the form that a trainer reads."""

import dataclasses
import json
from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config("So many documents, as in the run.")
@click.option("--format", "name", required=True, help="Name of the format: see docs/exports.md.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the files: new or empty.")
@click.option("--task", "tasks", multiple=True, help="Only rows of this task; may be given several times.")
@click.option(
    "--negatives", type=click.IntRange(min=0), help="Negatives of a row at most, 0 for pairs; see docs/exports.md."
)
@click.option("--query", help="How to write a query, e.g. 'Instruct: {instruction} Query: {query}'.")
@click.option("--scores", is_flag=True, help="The reranker's scores go along, as those of a teacher.")
def command(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool, name: str, out: Path,
    tasks: tuple[str, ...], negatives: int | None, query: str | None, scores: bool,
) -> None:  # fmt: skip
    """Write the dataset of CONFIG's finished run as files that a trainer reads. Says what is left out, and why."""
    from synth import runs
    from synth.terminal import results

    found = runs.export(load(config, overrides, limit), name, out, tasks, negatives, query, scores)
    if as_json:
        click.echo(json.dumps({"state": "done", "exit_code": 0, **dataclasses.asdict(found)}))
        return
    rows = [f"{rows:,} of {split}" for split, rows in found.written.items()]
    out_of = [f"{rows:,} {reason}" for reason, rows in found.left_out.items()]
    spare = [f"{found.negatives_left_out:,} negatives beyond --negatives"] if found.negatives_left_out else []
    files = [f"  {file}: {lines:,} lines" for file, lines in found.files.items()]
    text = [f"{found.rows:,} rows read; written: {', '.join(rows)}; left out: {', '.join(out_of + spare) or 'none'}"]
    results().print("\n".join([*text, f"{found.folder}:", *files]), highlight=False, markup=False, soft_wrap=True)
