"""The commands. No logic here: each reads its arguments, calls one function, and prints what it returned.

Results go to stdout, progress and errors to stderr. Modules are imported by the command that needs them, so that
`synth --help` answers at once.
"""

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synth import __version__
from synth.errors import SynthError

if TYPE_CHECKING:
    from synth.config import Config

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  a bug, or anything not below
  2  the config or the command line is not valid
  3  the corpus or the persona library cannot be read
  4  a model or engine cannot be loaded, or died
  5  a folder is full, read-only, damaged, or in use by another run
  6  verify: something does not add up
  7  too many rows failed: stopped, can be resumed
  8  ended early by SIGTERM, SIGHUP, SIGINT or --max-time: all is whole, can be resumed
  130  left at once, on a second SIGINT: can be resumed
"""


class Commands(click.Group):
    """Turns errors into one message and an exit code, in one place."""

    def invoke(self, context: click.Context) -> Any:
        from synth.terminal import open_all, standard_error

        open_all()
        with standard_error():
            return self._invoke(context)

    def _invoke(self, context: click.Context) -> Any:
        from synth.terminal import standard_output

        try:
            with standard_output():
                return super().invoke(context)
        except SynthError as error:
            _tell(error, as_json=context.meta.get("json", False))
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                click.echo("interrupted: what is finished is kept; run the same command to go on", err=True)
            sys.exit(130)


def _tell(error: SynthError, *, as_json: bool) -> None:
    """Say what went wrong on stderr, and with --json for programs on stdout.

    What a server, a document or a model said may be in it: no keys are shown, and nothing that moves the cursor.
    """
    from synth.secrets import redact
    from synth.visible import json_line, visible

    said = redact(str(error))
    with contextlib.suppress(OSError):  # a log that is full or gone must not change the exit code
        click.secho("error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(visible(said), err=True)
    if as_json:
        with contextlib.suppress(OSError):
            found = {"error": redact(error.what), "fix": redact(error.fix), "exit_code": error.exit_code}
            click.echo(json_line(found))


@click.group(
    cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="synth")
def main() -> None:
    """Turn a corpus into training data for text embedders and rerankers.

    An LLM plays readers who would look for each passage and writes what they would type; filters, scores, deduplication
    and mined negatives make of it (query, positive, negatives) rows, written as Parquet with a dataset card.

    \b
    Start with:
      synth plan    configs/quickstart.yaml     what would be asked, and how long it takes
      synth preview configs/quickstart.yaml     a few rows with all prompts and raw answers
      synth run     configs/quickstart.yaml     the whole; again to go on where it stopped
      synth show    configs/quickstart.yaml     read rows, also the rejected ones
    """


def _remember(context: click.Context, _: click.Parameter, value: bool) -> bool:
    context.meta["json"] = value  # shared with the group, which prints errors
    return value


def _takes_config(
    limit: str | None = "Read only so many documents of the corpus.", *, required: bool = True
) -> Callable[[F], F]:
    """Give a command the arguments that all have; one without `limit` has no -n."""

    def decorate(command: F) -> F:
        options = [
            click.argument("config", type=click.Path(path_type=Path), required=required),
            click.option(
                "--set",
                "overrides",
                multiple=True,
                metavar="KEY=VALUE",
                help="Override a setting, e.g. score.max_rank=3.",
            ),
            *([click.option("-n", "limit", type=click.IntRange(min=1), help=limit)] if limit else []),
            click.option(
                "--json",
                "as_json",
                is_flag=True,
                callback=_remember,
                is_eager=True,
                help="Print JSON; of rows, one object a line. Of an error too: {error, fix, exit_code}.",
            ),
        ]
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _load(config: Path, overrides: tuple[str, ...], limit: int | None = None, executor: str | None = None) -> "Config":
    from synth.config import load

    return load(config, (*overrides, *([f"corpus.limit={limit}"] if limit else ())), executor)


def _load_if_given(config: Path | None, overrides: tuple[str, ...]) -> "Config | None":
    if config is None and overrides:
        raise click.UsageError("--set: there is no CONFIG whose settings it could override")
    return None if config is None else _load(config, overrides)


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    from synth.stop import duration

    try:
        return None if value is None else duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@main.command()
@_takes_config()
@click.option(
    "--max-time", callback=_seconds, metavar="TIME", help="Stop early and whole after so long, e.g. 90m or 3.5h."
)
@click.option(
    "--grace", callback=_seconds, default="20s", show_default=True, metavar="TIME",
    help="How long requests in flight may take to finish, once the run is to stop.",
)  # fmt: skip
@click.option("--retry-failed", is_flag=True, help="Ask again what the engine failed to answer.")
@click.option("--executor", metavar="KIND", help="Where stages run: local, or ray. Short for --set executor.kind=KIND.")
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Of the Ray cluster, auto or host:port: --executor ray, with this address.",
)
def run(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool,
    max_time: float | None, grace: float, retry_failed: bool, executor: str | None, address: str | None,
) -> None:  # fmt: skip
    """Run CONFIG to the end, or go on where it stopped."""
    from synth import runs, show
    from synth.progress import shown
    from synth.stop import Stop, on_signals
    from synth.terminal import results

    executor = executor or ("ray" if address else None)
    settings = _load(config, (*overrides, *([f"executor.address={address}"] if address else ())), limit, executor)
    stop = Stop(max_time, grace)
    with on_signals(stop), shown() as display:
        result = runs.run(settings, display, stop, retry_failed=retry_failed)
    if as_json:
        click.echo(json.dumps(result.summary))
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


@main.command()
@_takes_config()
@click.option(
    "--tokens-per-second", type=click.FloatRange(min=0, min_open=True), help="Speed of your engine, for the time."
)
def plan(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool, tokens_per_second: float | None
) -> None:
    """Say what CONFIG would ask: rows, requests, tokens and time. Starts no engine."""
    import dataclasses

    from synth import runs, show_plan
    from synth.progress import shown
    from synth.terminal import results

    settings = _load(config, overrides, limit)
    with shown() as display:
        found = runs.plan(settings, display, tokens_per_second)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found)))
    else:
        results().print(show_plan.render(found))


@main.command()
@_takes_config("So many rows; 5 by default.")
@click.option("--full", is_flag=True, help="Show whole prompts, not just their last turn.")
def preview(config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool, full: bool) -> None:
    """Write a few rows and show every prompt and raw answer. Keeps nothing."""
    from synth import preview as previews
    from synth import show_preview
    from synth.progress import shown
    from synth.terminal import results
    from synth.visible import json_line

    settings = _load(config, overrides, None)
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


@main.command()
@_takes_config()
def status(config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Say how far the run of CONFIG is: each stage, its rows, its time; of a finished one, what an accepted row cost."""
    import dataclasses

    from synth import runs, show_plan
    from synth.terminal import results

    found = runs.status(_load(config, overrides, limit))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found)))
        return
    results().print(show_plan.status(found.stages))
    if found.speed:
        results().print(str(found.speed), highlight=False, soft_wrap=True)


@main.command()
@_takes_config("So many rows; 5 by default.")
@click.option("--stage", default="negatives", show_default=True, help="Stage whose rows to read.")
@click.option("--reason", help="Only rows rejected or failed for this reason.")
@click.option("--status", "fate", type=click.Choice(["ok", "rejected", "failed"]), help="Only rows of this fate.")
@click.option("--id", "identity", help="Only the row with this id (its beginning is enough).")
@click.option("--seed", default=0, show_default=True, help="Another seed shows other rows.")
def show(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool,
    stage: str, reason: str | None, fate: str | None, identity: str | None, seed: int,
) -> None:  # fmt: skip
    """Read rows of a run in the terminal, also the rejected ones with their reasons."""
    from synth import runs
    from synth import show as shows
    from synth.terminal import results
    from synth.visible import json_line

    settings = _load(config, overrides, None)
    rows = runs.rows(settings, stage, reason=reason, status=fate, id=identity, number=limit or 5, seed=seed)
    if as_json:
        for row in rows:
            row.pop("embedding", None)
            click.echo(json_line(row))
        return
    for row in rows:
        results().print(shows.render(row))
    if not rows:
        click.echo("no such rows", err=True)


@main.command()
@_takes_config()
def verify(config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Check a finished run: files, checksums, schemas, unique ids, and that all counts add up."""
    from synth import runs

    checked = runs.verify(_load(config, overrides, limit))
    click.echo(
        json.dumps({"ok": True, **checked})
        if as_json
        else f"all is well: {checked['stages']} stages, {checked['files']} files, {checked['rows']:,} rows in the dataset"
    )


@main.group()
def prompts() -> None:
    """List, show and render the prompt templates."""


@prompts.command("list")
@_takes_config(None, required=False)
def list_prompts(config: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """List templates, and check them. Those of CONFIG's tasks, or of all tasks: what each is given and must answer."""
    import dataclasses

    from synth import show_templates, templates
    from synth.terminal import results
    from synth.visible import json_line

    listing = templates.listed(_load_if_given(config, overrides))
    if as_json:
        for template in listing.templates:
            click.echo(json_line(dataclasses.asdict(template)))
    else:
        results().print(show_templates.table(listing))
    for line in show_templates.unused(listing):
        click.echo(line, err=True)


@prompts.command("show")
@click.argument("name")
@_takes_config(None, required=False)
def show_prompt(name: str, config: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print template NAME, e.g. retrieval/query. On stderr: where it comes from, and what it includes."""
    import dataclasses

    from synth import show_templates, templates
    from synth.visible import json_line, visible

    source = templates.source(name, _load_if_given(config, overrides))
    if as_json:
        click.echo(json_line(dataclasses.asdict(source)))
        return
    click.echo(visible(source.source), nl=not source.source.endswith("\n"))
    click.echo(show_templates.about(source), err=True)


@prompts.command("render")
@_takes_config(None)
@click.option("--row", default=0, show_default=True, type=click.IntRange(min=0), help="Number of the row, from 0.")
def render_prompts(config: Path, overrides: tuple[str, ...], as_json: bool, row: int) -> None:
    """Show what would be sent for a row of CONFIG, all steps, targets aside. Starts no engine: the answers are made up."""
    from synth import show_templates, templates
    from synth.terminal import results
    from synth.visible import json_line

    rendered = templates.rendered(_load(config, overrides), row)
    if as_json:
        click.echo(json_line(show_templates.as_json(rendered)))
    else:
        results().print(show_templates.render(rendered), soft_wrap=True)
