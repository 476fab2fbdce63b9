"""Exports of a whole run: bytes, counts, refusals."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth import config, exporting, plugins, runs
from synth.errors import ConfigError, StoreError
from synth.progress import shown

MADE_UP = [
    "engine={kind: scripted}", "embedder={kind: hashing}", "prompts=null", "score.min_cosine=null", "score.max_rank=null",
    "negatives.minimum=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> config.Config:
    folder = tmp_path_factory.mktemp("run")
    settings = config.load(Path("configs/quickstart.yaml"), [*MADE_UP, f"outputs={folder}"])
    with shown() as display:
        runs.run(settings, display)
    return settings


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", [name for name in plugins.names("exports") if name != "sentence_transformers_scored"])
def test_counts_add_up_and_bytes_repeat(run: config.Config, tmp_path: Path, name: str) -> None:
    first = runs.export(run, name, tmp_path / "a")
    runs.export(run, name, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    runs.export(run, name, tmp_path / "a")  # an earlier export may be replaced
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert sum(first.written.values()) + sum(first.left_out.values()) == first.rows > 50
    for file, lines in first.files.items():
        found = (tmp_path / "a" / file).read_text(encoding="utf-8").splitlines()
        assert len(found) - file.endswith(".tsv") == lines
        assert [json.loads(line) for line in found if file.endswith(".jsonl")] != [] or file.endswith(".tsv")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "a", tmp_path / "b"]


def test_a_passage_is_in_the_corpus_once(run: config.Config, tmp_path: Path) -> None:
    runs.export(run, "beir", tmp_path / "a")
    names = [json.loads(line)["_id"] for line in (tmp_path / "a/corpus.jsonl").read_text("utf-8").splitlines()]
    assert len(names) == len(set(names)) > 20
    judged = [line.split("\t")[1] for line in (tmp_path / "a/qrels/train.tsv").read_text().splitlines()[1:]]
    assert {*judged} <= {*names}


def test_refusals_say_the_fix(run: config.Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'tevatron'"):
        runs.export(run, "tevatrom", tmp_path / "a")
    with pytest.raises(ConfigError, match="--negatives: format 'beir' does not take it"):
        runs.export(run, "beir", tmp_path / "a", negatives=2)
    with pytest.raises(ConfigError, match="none of the rows fits it"):
        runs.export(run, "nemo", tmp_path / "a", tasks=["sts"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b/thesis.tex").touch()
    with pytest.raises(ConfigError, match="it holds other files"):
        runs.export(run, "nemo", tmp_path / "b")
    runs.export(run, "nemo", tmp_path / "c")
    (tmp_path / "c/README.md").touch()  # somebody's notes: the format has none
    with pytest.raises(ConfigError, match="it holds other files"):
        runs.export(run, "nemo", tmp_path / "c")
    runs.export(run, "mteb", tmp_path / "d")
    runs.export(run, "nemo", tmp_path / "d")  # its README.md is ours
    other = config.load(Path("configs/quickstart.yaml"), [*MADE_UP, f"outputs={tmp_path / 'none'}"])
    with pytest.raises(StoreError, match="not finished"):
        runs.export(other, "nemo", tmp_path / "a")


def test_rows_are_read_in_batches(run: config.Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each row is written before the next is read."""
    seen: list[str] = []
    rows, add = exporting._rows, exporting._Files.add

    def read(*arguments: Any) -> Iterator[Any]:
        for row in rows(*arguments):
            seen.append("read")
            yield row

    def write(files: Any, line: Any) -> None:
        seen.append("written")
        add(files, line)

    monkeypatch.setattr(exporting, "_rows", read)
    monkeypatch.setattr(exporting._Files, "add", write)
    found = runs.export(run, "nemo", tmp_path / "a")
    assert seen == ["read", "written"] * found.rows


def test_a_killed_export_leaves_nothing_that_looks_finished(run: config.Config, tmp_path: Path) -> None:
    """SIGKILL after ten lines: no folder of that name, and the next export takes away what the killed one left."""
    killed = (
        "import os, signal, sys; from pathlib import Path; from synth import config, exporting, runs\n"
        "add = exporting._Files.add\n"
        "def some(files, line):\n"
        "    add(files, line)\n"
        "    if sum(files.lines.values()) == 10: os.kill(os.getpid(), signal.SIGKILL)\n"
        "exporting._Files.add = some\n"
        "runs.export(config.load(Path('configs/quickstart.yaml'), sys.argv[2:]), 'nemo', Path(sys.argv[1]))\n"
    )
    overrides = [*MADE_UP, f"outputs={run.outputs}"]
    for name in ("a", "b"):
        if name == "b":
            runs.export(run, "nemo", tmp_path / "b")
        before = contents(tmp_path / name)
        found = subprocess.run([sys.executable, "-c", killed, str(tmp_path / name), *overrides], check=False)
        assert found.returncode == -signal.SIGKILL
        assert contents(tmp_path / name) == before
        runs.export(run, "nemo", tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") != {}
    assert sorted(tmp_path.iterdir()) == [tmp_path / "a", tmp_path / "b"]
