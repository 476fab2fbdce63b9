"""status: how far a run is."""

import json
from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config()
def command(config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Say how far the run of CONFIG is: each stage, its rows, its time; of a finished one, what an accepted row cost.

    Of what `synth update` made: all releases, and the stages of the one that is under way, or else the newest.
    """
    import dataclasses

    from synth import runs, show_plan
    from synth.terminal import results

    found = runs.status(load(config, overrides, limit))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found)))
        return
    if found.releases:
        results().print(show_plan.releases(found.releases))
    results().print(show_plan.status(found.stages))
    if found.speed:
        results().print(str(found.speed), highlight=False, soft_wrap=True)
