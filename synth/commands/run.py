"""run: all stages of a config, or what is left of them."""

import json
from pathlib import Path

import click

from synth.commands import load, seconds, takes_config, takes_executor, takes_metrics


@click.command()
@takes_config()
@click.option(
    "--max-time", callback=seconds, metavar="TIME", help="Stop early and whole after so long, e.g. 90m or 3.5h."
)
@click.option(
    "--grace", callback=seconds, default="20s", show_default=True, metavar="TIME",
    help="How long requests in flight may take to finish, once the run is to stop.",
)  # fmt: skip
@click.option("--retry-failed", is_flag=True, help="Ask again what the engine failed to answer.")
@takes_executor
@takes_metrics
def command(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool,
    max_time: float | None, grace: float, retry_failed: bool, executor: str | None, address: str | None,
    metrics: Path | None,
) -> None:  # fmt: skip
    """Run CONFIG to the end, or go on where it stopped."""
    from synth import runs, show, telemetry
    from synth.progress import shown
    from synth.stop import Stop, on_signals
    from synth.terminal import results

    with telemetry.watched("run", config, metrics) as watch:
        settings = load(config, overrides, limit, executor, address)
        watch.run, watch.so_far = settings.name, lambda: runs.so_far(settings)
        stop = Stop(max_time, grace)
        with on_signals(stop), shown() as display:
            result = runs.run(settings, watch.over(display), stop, retry_failed=retry_failed)
        watch.ended(telemetry.DONE if result.ran else telemetry.NOTHING_NEW, result.account, result.account.written)
    if as_json:
        click.echo(json.dumps({"state": watch.state, "exit_code": watch.exit_code, **result.summary}))
        return
    console = results()
    if not result.ran:
        console.print(
            f"Nothing to do: {result.dataset} is complete, with {result.summary['rows']:,} rows.", highlight=False
        )
        return
    console.print(show.funnel(result.manifests))
    console.print(f"{result.account}", highlight=False)
    if result.speed:
        console.print(f"{result.speed}", highlight=False, soft_wrap=True)
    if "targets" in result.summary:
        console.print(show.targets(result.summary["targets"]), highlight=False)
    if result.account.failed:
        console.print("`--retry-failed` asks again what the engine failed to answer.", highlight=False)
    if not result.summary["rows"]:
        console.print(
            "No row was accepted: `synth show CONFIG --status rejected` shows what was written.", highlight=False
        )
        return
    console.print(show.triples(result.dataset))
    console.print(
        f"{result.summary['rows']:,} rows in {result.dataset} (datasets.load_dataset reads it)", highlight=False
    )
