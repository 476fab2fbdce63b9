"""update: what is new of a corpus, added to a dataset that grows."""

import dataclasses
import json
from pathlib import Path

import click

from synth.commands import load, seconds, takes_config, takes_executor, takes_metrics

NOTHING_NEW = 9


@click.command()
@takes_config()
@click.option("--prune", is_flag=True, help="Withdraw rows of passages that the corpus no longer has.")
@click.option(
    "--max-time", callback=seconds, metavar="TIME", help="Stop early and whole after so long, e.g. 90m or 3.5h."
)
@click.option(
    "--grace", callback=seconds, default="20s", show_default=True, metavar="TIME",
    help="How long requests in flight may take to finish, once the run is to stop.",
)  # fmt: skip
@takes_executor
@takes_metrics
@click.pass_context
def command(
    context: click.Context, config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool,
    prune: bool, max_time: float | None, grace: float, executor: str | None, address: str | None, metrics: Path | None,
) -> None:  # fmt: skip
    """Write rows for what is new in the corpus of CONFIG, as a release of its own, and add them to the dataset.

    Exit code 9 says that there was nothing new.
    """
    from synth import series, telemetry
    from synth.progress import shown
    from synth.stop import Stop, on_signals

    with telemetry.watched("update", config, metrics) as watch:
        settings = load(config, overrides, limit, executor, address)
        watch.run, watch.so_far = settings.name, lambda: series.so_far(settings)
        stop = Stop(max_time, grace)
        with on_signals(stop), shown() as display:
            found = series.update(settings, watch.over(display), stop, prune=prune)
        watch.ended(telemetry.NOTHING_NEW if found.nothing else telemetry.DONE, found.account, found.rows)
        watch.exit_code = NOTHING_NEW if found.nothing else 0
    if as_json:
        said = {"state": watch.state, "exit_code": watch.exit_code, **dataclasses.asdict(found)}
        click.echo(json.dumps(said | {"dataset": str(found.dataset), "nothing_new": found.nothing}))
    elif found.nothing:
        click.echo(f"Nothing new: {found.dataset} is at release {found.release}, with {found.rows:,} rows.")
    else:
        click.echo(
            f"release {found.release}: {found.planned:,} planned, {found.added:,} added, {found.withdrawn:,} withdrawn; "
            f"{found.rows:,} rows in {found.dataset}, {found.written:,} files written, {found.untouched:,} untouched"
        )
    context.exit(watch.exit_code)
