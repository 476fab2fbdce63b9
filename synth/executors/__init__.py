"""Ways of running stages. An executor knows the three kinds of stage, and never a stage by name.

An executor is a plug-in: `Settings`, and `open(settings)`, which yields a function that runs stages. How it runs them is
in no fingerprint: a run that one began another may go on with, and both come to the same files.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from synth.stage import Stage
from synth.stop import Stop

Display = Callable[[Stage, int | None], AbstractContextManager[Any]]
"""Opens the display of one stage: `display(stage, rows to come, or null when unknown)`."""


class Executor(Protocol):
    def __call__(
        self,
        stages: Iterable[Stage],
        folder: Path,
        display: Display,
        stop: Stop | None = None,
        *,
        retry_failed: bool = False,
        grown: bool = False,
    ) -> list[Stage]:
        """Run what is not finished yet of a run in `folder`; return the stages that ran. Raises SynthError, Stopped when
        `stop` asked for it."""
