"""A look into a dataset of releases (synth/series.py): which there are, and the stages of one of them.

A release that is finished is read by what its own run.yaml says: the config and the corpus may have changed since.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from synth import earlier, pipeline
from synth.config import Config
from synth.earlier import DATASET, RELEASES, Earlier
from synth.errors import ConfigError, StoreError
from synth.pipeline import Pipeline
from synth.settings import parse
from synth.stage import Stage


@dataclass(frozen=True)
class Release:
    number: int
    folder: Path
    stages: list[Stage]
    is_finished: bool


def are_there(config: Config) -> bool:
    """Whether the folder of a config is that of a dataset of releases, and not a run's."""
    return (config.folder / RELEASES).is_dir()


def following(config: Config, done: Sequence[Earlier]) -> Config:
    """Return the config of the release after those that are done."""
    known = [*config.known, *(str(one.folder) for one in done)]
    place = {"outputs": str(config.folder / RELEASES), "name": f"{len(done) + 1:04d}", "known": known}
    return config.model_copy(update=place)


def one(config: Config, number: int | None = None) -> Release:
    """Return a release; without a number the one that is under way, or else the newest. Raises ConfigError if there is no such."""
    if not are_there(config):
        raise ConfigError(f"--release: {config.folder} is a run's, and has no releases", fix="leave it out")
    done = earlier.releases(config.folder)
    begun = following(config, done)
    last = len(done) + begun.folder.exists()
    number = last if number is None else number
    if not 1 <= number <= last:
        raise ConfigError(
            f"{config.folder}: there is no release {number} (there are: {f'1 to {last}' if last else 'none'})",
            fix="`synth status CONFIG` lists them",
        )
    if number > len(done):
        return Release(number, begun.folder, pipeline.build(begun).stages, False)
    made = done[number - 1]
    return Release(number, made.folder, described(made)[1].stages, True)


def described(release: Earlier) -> tuple[Config, Pipeline]:
    """Return the config and the stages of a release that is finished, as they were then."""
    path = release.folder / "run.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = parse(Config, found["config"], where=f"{path}: config.")
    # Fingerprints are those of run.yaml: the corpus need not be there any more, so it is not listed.
    anywhere = config.corpus.model_copy(update={"path": None, "dataset": config.corpus.dataset or "-"})
    stages = vars(pipeline.build(config.model_copy(update={"corpus": anywhere})))
    return config, Pipeline(**{name: stage and stage.made(found["stages"][name]) for name, stage in stages.items()})


def listed(config: Config) -> list[dict[str, Any]]:
    """Return all releases: number, state, folder, and of those in the dataset how many rows they planned, have and lost."""
    done = earlier.releases(config.folder)
    told = {one["release"]: one for one in _stats(config.folder / DATASET / "stats.json").get("releases", [])}
    names = ("planned", "rows", "withdrawn")
    found = [
        {
            "release": at,
            "state": "done",
            "folder": str(one.folder),
            **{name: told.get(at, {}).get(name) for name in names},
        }
        for at, one in enumerate(done, 1)
    ]
    begun = following(config, done).folder
    if begun.exists():
        nothing = dict.fromkeys(names)
        found.append({"release": len(done) + 1, "state": "begun", "folder": str(begun), **nothing})
    return found


def _stats(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StoreError(
            f"{path}: damaged: {error}", fix="run `synth update` again: the dataset is put together anew"
        ) from error
    return found
