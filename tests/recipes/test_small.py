"""recipes/small, end to end on the CPU: a made-up dataset, real small weights, the real losses and evaluator."""

import ast
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from synth import config, runs
from synth.progress import shown

RECIPE = Path("recipes/small").resolve()
MADE_UP = [
    "engine={kind: scripted}", "embedder={kind: hashing}", "prompts=null", "score.min_cosine=null", "score.max_rank=null",
    "corpus.limit=24",
]  # fmt: skip
MERGES = os.environ.get("SYNTH_TRAINER") == "recipes"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the dataset of a run by the scripted engine, and questions: the titles of the corpus."""
    folder = tmp_path_factory.mktemp("made")
    settings = config.load(Path("configs/quickstart.yaml"), [*MADE_UP, f"outputs={folder}"])
    with shown() as display:
        runs.run(settings, display)
    paragraphs = [json.loads(line) for line in Path("examples/corpus/documents.jsonl").read_text("utf-8").splitlines()][:24]
    squad = {
        "data": [
            {
                "title": one["title"],
                "paragraphs": [{"context": one["text"], "qas": [{"id": f"q{at}", "question": one["title"]}]}],
            }
            for at, one in enumerate(paragraphs)
        ]
    }
    (folder / "squad.json").write_text(json.dumps(squad), encoding="utf-8")
    said = ran("squad.py", folder / "squad.json", folder / "questions")
    assert said.stdout == "24 paragraphs, 24 questions\n"
    return folder


def ran(script: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RECIPE / script), *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert found.returncode == code, found.stderr
    return found


def test_three_stages_end_with_a_table(made: Path, tmp_path: Path) -> None:
    arguments = [
        made / "quickstart/dataset", "--questions", made / "questions", "--out", tmp_path, "--layers", 1, "--batch", 8,
        "--negatives", 1, "--share", 1, *([] if MERGES else ["--no-merge"]),
    ]  # fmt: skip
    said = ran("train.py", *arguments).stdout.splitlines()
    found = json.loads((tmp_path / "results.json").read_text())
    names = ["base", "stage 1", "stage 2", *(["merged"] if MERGES else [])]
    assert said[-len(found["table"]) :] == found["table"]
    assert found["table"][0] == "| model | nDCG@10 | against base, 95 % |"
    assert [line.split(" | ")[0] for line in found["table"][2:]] == [f"| {name}" for name in names]
    figures = [float(line.split(" | ")[1]) for line in found["table"][2:]]
    assert all(0 < figure < 1 for figure in figures)
    assert figures[0] != figures[1]
    assert found["questions"] == 24
    assert found["rows"][0] > 20
    assert len(found["losses"]) > 4
    assert all(math.isfinite(loss) and loss > 0 for loss in found["losses"])
    assert len(list(tmp_path.glob("stage2/checkpoint-*/model.safetensors"))) == 2
    assert (tmp_path / "merged/model.safetensors").exists() == MERGES
