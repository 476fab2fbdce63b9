"""verify: that a finished run adds up."""

import json
from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config()
def command(config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Check a finished run: files, checksums, schemas, unique ids, and that all counts add up."""
    from synth import runs

    checked = runs.verify(load(config, overrides, limit))
    click.echo(
        json.dumps({"ok": True, **checked})
        if as_json
        else f"all is well: {checked['files']:,} files of {checked['stages']} stage{'s' * (checked['stages'] != 1)}, "
        f"{checked['rows']:,} rows in the dataset"
    )
