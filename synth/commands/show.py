"""show: rows, also the rejected ones."""

from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config("So many rows; 5 by default.")
@click.option("--stage", default="negatives", show_default=True, help="Stage whose rows to read.")
@click.option(
    "--release", type=click.IntRange(min=1), metavar="N",
    help="Of what `synth update` made: which release. By default the last; `--stage publish` shows the rows of all.",
)  # fmt: skip
@click.option("--reason", help="Only rows rejected or failed for this reason.")
@click.option("--status", "fate", type=click.Choice(["ok", "rejected", "failed"]), help="Only rows of this fate.")
@click.option("--id", "identity", help="Only the row with this id (its beginning is enough).")
@click.option("--seed", default=0, show_default=True, help="Another seed shows other rows.")
def command(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool,
    stage: str, release: int | None, reason: str | None, fate: str | None, identity: str | None, seed: int,
) -> None:  # fmt: skip
    """Read rows of a run in the terminal, also the rejected ones with their reasons."""
    from synth import runs
    from synth import show as shows
    from synth.terminal import results
    from synth.visible import json_line

    settings = load(config, overrides, None)
    choice = {"reason": reason, "status": fate, "id": identity, "number": limit or 5, "seed": seed}
    rows = runs.rows(settings, stage, release, **choice)
    if as_json:
        for row in rows:
            row.pop("embedding", None)
            click.echo(json_line(row))
        return
    for row in rows:
        results().print(shows.render(row))
    if not rows:
        click.echo("no such rows: leave out --id, --status or --reason, or look at another --stage", err=True)
