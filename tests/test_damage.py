"""What a disk or a hand does to a finished run: never a wrong dataset, and no more is made anew than has to be."""

import contextlib
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth import config, pipeline, runs
from synth.errors import StoreError, SynthError, VerifyError
from synth.progress import Display, shown
from tests.killing import contents

CONFIG = """
name: run
outputs: {outputs}
seed: 1
corpus: {{path: examples/corpus/documents.jsonl, columns: {{text: text, id: id, title: title, language: language}}, limit: 24}}
tasks: {{retrieval: {{rows_per_passage: 2}}}}
engine: {{kind: scripted, junk: 0.1, in_flight: 8}}
embedder: {{kind: hashing}}
reranker: {{kind: lexical}}
judge: {{max_negative: 0.9}}
score: {{min_cosine: 0.05, max_rank: 5}}
negatives: {{per_query: 2}}
publish: {{validation: 0.3, licence: cc0-1.0}}
shard_rows: 8
"""
ITS_OWN = ("run.yaml", "timings.jsonl", ".lock")
"""Files that nothing is made from."""


@contextlib.contextmanager
def display() -> Iterator[Display]:
    with shown() as made:
        yield made


def settings(outputs: Path) -> config.Config:
    path = outputs.parent / f"{outputs.name}.yaml"
    path.write_text(CONFIG.format(outputs=outputs))
    return config.load(path)


def run(made: config.Config) -> list[str]:
    with display() as bars:
        return list(runs.run(made, bars).ran)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("whole") / "outputs"
    run(settings(outputs))
    return outputs / "run"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> config.Config:
    made = settings(tmp_path / "outputs")
    shutil.copytree(whole, made.folder)
    return made


def damage(path: Path, how: str, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    match how:
        case "flip":
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            path.write_bytes(data)
        case "cut":
            path.write_bytes(data[: draw.randrange(len(data))])
        case "empty":
            path.write_bytes(b"")
        case "delete":
            path.unlink()


def gone_on_with(made: config.Config) -> int:
    """Run, and do what the errors say, until the run is through; return how many errors there were."""
    for errors in range(4):
        try:
            run(made)
            return errors
        except StoreError as error:
            if "delete the folder" in error.fix:
                shutil.rmtree(error.fix.partition("delete the folder ")[2].partition(" and run")[0])
            elif "move the file away" in error.fix:
                shutil.rmtree(made.folder / "responses")
            else:
                assert "run the same command again" in error.fix, error  # noqa: PT017
    raise AssertionError("still not through after four errors")


@pytest.mark.parametrize("seed", range(40))
def test_any_file_damaged_in_any_way_never_makes_another_dataset(whole: Path, copy: config.Config, seed: int) -> None:
    """Damage, then make all stages from `select` on anew, as a changed threshold would."""
    draw = random.Random(seed)
    files = [path for path in sorted(copy.folder.rglob("*")) if path.is_file() and path.name not in ITS_OWN]
    victim, how = draw.choice(files), draw.choice(["flip", "cut", "empty", "delete"])
    damage(victim, how, draw)
    for stage in pipeline.build(copy).stages[8:]:
        shutil.rmtree(copy.folder / stage.folder, ignore_errors=True)
    gone_on_with(copy)
    assert of_dataset(copy.folder) == of_dataset(whole)
    if str(victim.relative_to(copy.folder)) in different(copy.folder, whole):
        # No stage has read it since, and it has the right size, so that only `verify` looks into it.
        with pytest.raises(VerifyError, match=re.escape(str(victim))):
            runs.verify(copy)
        victim.unlink()
        run(copy)
    assert different(copy.folder, whole) == set()
    assert runs.verify(copy)["stages"] == 16


def different(run: Path, other: Path) -> set[str]:
    """Return the names of files that two runs have not alike; what was set aside does not count."""
    mine, theirs = contents(run), contents(other)
    return {name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name) and not name.endswith(".damaged")}


def of_dataset(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if name.startswith("dataset/")}


@pytest.mark.parametrize("how", ["flip", "cut", "delete"])
def test_verify_names_the_file_of_the_dataset_that_is_not_as_it_was_left(copy: config.Config, how: str) -> None:
    victim = min((copy.folder / "dataset" / "data").glob("train-*"))
    damage(victim, how, random.Random(1))
    with pytest.raises(SynthError) as caught:
        runs.verify(copy)
    assert caught.value.exit_code == 6
    assert str(victim) in caught.value.what


def test_a_dataset_file_that_is_gone_is_written_again_and_nothing_else(whole: Path, copy: config.Config) -> None:
    min((copy.folder / "dataset" / "data").glob("train-*")).unlink()
    assert run(copy) == ["publish"]
    assert contents(copy.folder) == contents(whole)


def test_a_clock_that_jumps_changes_nothing(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(range(10**9))
    monkeypatch.setattr("time.time", lambda: 1e9 + (-1) ** (n := next(jumps)) * n * 86400.0)  # years to and fro
    made = settings(tmp_path / "outputs")
    run(made)
    assert contents(made.folder) == contents(whole)
    assert {line["state"] for line in runs.status(made).stages} == {"done"}
