"""The commands, a file each: `command` reads its arguments, calls one function, and prints what it returned.

Here is what they share. Heavy modules are imported by the command that needs them, so that `synth --help` answers at once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from synth.config import Config

F = TypeVar("F", bound=Callable[..., Any])


def _remember(context: click.Context, _: click.Parameter, value: bool) -> bool:
    context.meta["json"] = value  # shared with the group, which prints errors
    return value


def takes_config(
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
                help="Print JSON; of rows, one object a line. Of an error too: {state, exit_code, error, fix}.",
            ),
        ]
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def takes_metrics(command: F) -> F:
    return click.option(
        "--metrics", type=click.Path(path_type=Path), metavar="FILE",
        help="Write a text file for Prometheus in the end, also where it fails: see docs/metrics.md.",
    )(command)  # fmt: skip


def takes_executor(command: F) -> F:
    options = [
        click.option(
            "--executor", metavar="KIND", help="Where stages run: local, or ray. Short for --set executor.kind=KIND."
        ),
        click.option(
            "--address",
            metavar="ADDRESS",
            help="Of the Ray cluster, auto or host:port: --executor ray, with this address.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def load(
    config: Path, overrides: tuple[str, ...], limit: int | None = None, executor: str | None = None, address: str | None = None
) -> "Config":  # fmt: skip
    from synth import config as configs

    executor = executor or ("ray" if address else None)
    more = [*([f"corpus.limit={limit}"] if limit else []), *([f"executor.address={address}"] if address else [])]
    return configs.load(config, (*overrides, *more), executor)


def load_if_given(config: Path | None, overrides: tuple[str, ...]) -> "Config | None":
    if config is None and overrides:
        raise click.UsageError("--set: there is no CONFIG whose settings it could override")
    return None if config is None else load(config, overrides)


def seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    from synth.stop import duration

    try:
        return None if value is None else duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
