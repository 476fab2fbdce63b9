"""publish: a finished dataset to the Hub, a bucket or a folder."""

from pathlib import Path

import click

from synth.commands import load, takes_config


@click.command()
@takes_config()
@click.option("--repo", metavar="USER/NAME", help="Dataset repository on the Hub; made if it is not there.")
@click.option("--to", "url", metavar="URL", help="A folder, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER instead.")
@click.option("--private", is_flag=True, help="Make the repository private; refuse one that is public.")
@click.option(
    "--revision", metavar="BRANCH", help="Branch of the repository; made if it is not there.  [default: main]"
)
@click.option("--tag", metavar="NAME", help="Name of the tag. By default the run's and a hash of the dataset.")
@click.option(
    "--accept-licence", "accepted", multiple=True, type=click.Choice(["corpus", "personas"]),
    help="Publish in spite of this licence: you have looked, and you may.",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="Overwrite and remove rows there that this run did not publish.")
@click.option("--dry-run", is_flag=True, help="Say what would be added, changed and removed; send nothing.")
def command(
    config: Path, overrides: tuple[str, ...], limit: int | None, as_json: bool, repo: str | None, url: str | None,
    private: bool, revision: str | None, tag: str | None, accepted: tuple[str, ...], replace: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Publish the dataset of CONFIG: card, shards, figures and report, in one commit. Again: only what differs."""
    import dataclasses

    from synth import publishing, show_publish
    from synth.publishing.hub import Hub
    from synth.publishing.storage import Storage
    from synth.visible import json_line

    if (repo is None) == (url is None):
        raise click.UsageError("give exactly one of --repo and --to")
    if url is not None and (private or revision or tag):
        raise click.UsageError("--private, --revision and --tag are of the Hub: they go with --repo")
    settings = load(config, overrides, limit)
    to = Hub(repo, private=private, revision=revision, tag=tag) if repo is not None else Storage(url or "")
    found = publishing.publish(settings, to, accepted=accepted, replace=replace, dry_run=dry_run)
    if as_json:
        click.echo(json_line({"state": found.state, "exit_code": 0, **dataclasses.asdict(found)}))
    else:
        click.echo(show_publish.render(found, settings.publish.licence))
