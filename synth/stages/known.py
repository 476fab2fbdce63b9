"""known: what the runs before planned and published. Read once; `plan` and `clusters` look into it."""

from functools import partial
from pathlib import Path

from synth import earlier
from synth.config import Config
from synth.figures import KNOWN
from synth.schemas import KNOWN as ROWS
from synth.stage import Source


def stage(config: Config) -> Source:
    """Raises InputError when one of the runs is not finished."""
    runs = [earlier.finished(Path(folder)) for folder in config.known]
    return Source(
        name=KNOWN,
        does="read what earlier runs planned and published",
        writes=ROWS,
        settings={"runs": [run.content for run in runs]},
        read=partial(earlier.rows, runs),
    )
