"""report: one HTML file to look at."""

import dataclasses
import json
from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config("So many documents, as in the run.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: report.html in the run's folder]",
)
@click.option("--rows", type=click.IntRange(min=0), default=300, show_default=True, help="Rows to sample for reading.")
def command(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool, out: Path | None, rows: int
) -> None:
    """Write what is to be seen of CONFIG's finished run as one HTML file: charts, and rows with prompts and answers."""
    from synth import report
    from synth.terminal import results

    found = report.report(load(config, overrides, limit), out, rows)
    if as_json:
        click.echo(json.dumps({"state": "done", "exit_code": 0, **dataclasses.asdict(found)}))
        return
    said = f"{found.path}: {found.bytes / 1e6:.1f} MB, {found.rows:,} rows seen, {found.samples:,} to read, {found.seconds:.1f} s"
    results().print(said, highlight=False, markup=False, soft_wrap=True)
