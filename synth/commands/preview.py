"""preview: a few rows with every prompt and raw answer."""

from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config("So many rows; 5 by default.")
@click.option("--full", is_flag=True, help="Show whole prompts, not just their last turn.")
def command(config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool, full: bool) -> None:
    """Write a few rows and show every prompt and raw answer. Keeps nothing."""
    from synth import preview as previews
    from synth import show_preview
    from synth.progress import shown
    from synth.terminal import results
    from synth.visible import json_line

    settings = load(config, overrides, None)
    with shown() as display:
        rows = previews.preview(settings, limit or 5, display)
    if as_json:
        for row in rows:
            click.echo(json_line(show_preview.as_json(row)))
        return
    for row in rows:
        results().print(show_preview.render(row, full=full))
    if not rows:
        click.echo("no rows: no task, or no target, fits the first documents; try a larger -n", err=True)
