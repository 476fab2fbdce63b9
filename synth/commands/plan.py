"""plan: what a run would ask, before it asks."""

import json
from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config()
@click.option(
    "--tokens-per-second", type=click.FloatRange(min=0, min_open=True), help="Speed of your engine, for the time."
)
def command(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool, tokens_per_second: float | None
) -> None:
    """Say what CONFIG would ask: rows, requests, tokens and time. Starts no engine."""
    import dataclasses

    from synth import runs, show_plan
    from synth.progress import shown
    from synth.terminal import results

    settings = load(config, overrides, limit)
    with shown() as display:
        found = runs.plan(settings, display, tokens_per_second)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found)))
    else:
        results().print(show_plan.render(found))
