"""The program `synth`: its group of commands (synth/commands, a file each), its exit codes, its one way to tell an error.

Results go to stdout, progress and errors to stderr.
"""

import contextlib
import sys
from typing import Any

import click

from synth import __version__, plugins
from synth.errors import SynthError

EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  a bug, or anything not below
  2  the config or the command line is not valid
  3  the corpus or the persona library cannot be read
  4  a model or engine cannot be loaded, or died
  5  a folder is full, read-only, damaged, or in use by another run; a run is not finished; a store is not open to us
  6  verify, publish: something does not add up, or the run is not finished
  7  too many rows failed: stopped, can be resumed
  8  ended early by SIGTERM, SIGHUP, SIGINT or --max-time: all is whole, can be resumed
  9  update: there is nothing new
  10  publish: refused, a person must decide (a licence, files that are not ours)
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

        asked = "--json" in context.args  # a command line that cannot be read can ask for it, too

        def summary(state: str, code: int, what: str, fix: str = "") -> None:
            if context.meta.get("json", asked):
                _summary(state, code, what, fix)

        try:
            with standard_output():
                return super().invoke(context)
        except SynthError as error:
            _tell(error)
            summary(error.state, error.exit_code, error.what, error.fix)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            said, fix = "interrupted: what is finished is kept", "run the same command to go on"
            with contextlib.suppress(OSError):
                click.echo(f"{said}; {fix}", err=True)
            summary("stopped", 130, said, fix)
            sys.exit(130)
        except (click.exceptions.Exit, click.Abort):
            raise
        except click.ClickException as error:
            summary("failed", error.exit_code, error.format_message(), "see --help")
            raise
        except Exception as error:
            summary("failed", 1, f"{type(error).__name__}: {error}", "this is a bug: please report it")
            raise


def _tell(error: SynthError) -> None:
    """Say what went wrong on stderr.

    What a server, a document or a model said may be in it: no keys are shown, and nothing that moves the cursor.
    """
    from synth.secrets import redact
    from synth.visible import visible

    with contextlib.suppress(OSError):  # a log that is full or gone must not change the exit code
        click.secho("error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(visible(redact(str(error))), err=True)


def _summary(state: str, code: int, what: str, fix: str) -> None:
    """Print, for programs, a line of JSON on stdout: the last, as that of a command that has come to its end."""
    from synth.secrets import redact
    from synth.visible import json_line

    with contextlib.suppress(OSError):
        click.echo(json_line({"state": state, "exit_code": code, "error": redact(what), "fix": redact(fix)}))


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


for _name in plugins.names("commands"):
    main.add_command(plugins.load("commands", _name).command, _name)
