"""prompts: the templates, listed, shown, rendered."""

from pathlib import Path

import click

from synth.commands import load, load_if_given, takes_config


@click.group()
def command() -> None:
    """List, show and render the prompt templates."""


@command.command("list")
@takes_config(None, required=False)
def list_prompts(config: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """List templates, and check them. Those of CONFIG's tasks, or of all tasks: what each is given and must answer."""
    import dataclasses

    from synth import show_templates, templates
    from synth.terminal import results
    from synth.visible import json_line

    listing = templates.listed(load_if_given(config, overrides))
    if as_json:
        for template in listing.templates:
            click.echo(json_line(dataclasses.asdict(template)))
    else:
        results().print(show_templates.table(listing))
    for line in show_templates.unused(listing):
        click.echo(line, err=True)


@command.command("show")
@click.argument("name")
@takes_config(None, required=False)
def show_prompt(name: str, config: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print template NAME, e.g. retrieval/query. On stderr: where it comes from, and what it includes."""
    import dataclasses

    from synth import show_templates, templates
    from synth.visible import json_line, visible

    source = templates.source(name, load_if_given(config, overrides))
    if as_json:
        click.echo(json_line(dataclasses.asdict(source)))
        return
    click.echo(visible(source.source), nl=not source.source.endswith("\n"))
    click.echo(show_templates.about(source), err=True)


@command.command("render")
@takes_config(None)
@click.option("--row", default=0, show_default=True, type=click.IntRange(min=0), help="Number of the row, from 0.")
def render_prompts(config: Path, overrides: tuple[str, ...], as_json: bool, row: int) -> None:
    """Show what would be sent for a row of CONFIG, all steps, targets aside. Starts no engine: the answers are made up."""
    from synth import show_templates, templates
    from synth.terminal import results
    from synth.visible import json_line

    rendered = templates.rendered(load(config, overrides), row)
    if as_json:
        click.echo(json_line(show_templates.as_json(rendered)))
    else:
        results().print(show_templates.render(rendered), soft_wrap=True)
