"""recipes/small, end to end on the CPU: a made-up dataset, real small weights, the real losses, evaluator and merge."""

import ast
import json
import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synth import config, runs
from synth.progress import shown

MERGES = os.environ.get("SYNTH_TRAINER") == "recipes"
pytestmark = pytest.mark.skipif(
    os.environ.get("SYNTH_TRAINER", "recipes") != "recipes", reason="in the environment of recipes"
)
RECIPE = Path("recipes/small").resolve()
MADE_UP = [
    "engine={kind: scripted}", "embedder={kind: hashing}", "prompts=null", "score.min_cosine=null", "score.max_rank=null",
    "corpus.limit=24",
]  # fmt: skip


@pytest.fixture(scope="module")
def recipe() -> Any:
    """The modules of the recipe, which stand in no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPE))
        import measure
        import squad
        import stdlib
        import train

        yield SimpleNamespace(measure=measure, squad=squad, stdlib=stdlib, train=train)


@pytest.fixture(scope="module")
def made(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the dataset of a run by the scripted engine, and questions: what the titles of its corpus say."""
    folder = tmp_path_factory.mktemp("made")
    settings = config.load(Path("configs/quickstart.yaml"), [*MADE_UP, f"outputs={folder}"])
    with shown() as display:
        runs.run(settings, display)
    lines = Path("examples/corpus/documents.jsonl").read_text(encoding="utf-8").splitlines()[:24]
    articles = [
        {
            "title": one["title"],
            "paragraphs": [{"context": one["text"], "qas": [{"id": one["id"], "question": one["title"]}]}],
        }
        for one in map(json.loads, lines)
    ]
    (folder / "squad.json").write_text(json.dumps({"data": articles}), encoding="utf-8")
    assert recipe.squad.convert(folder / "squad.json", folder / "questions") == (24, 24)
    return folder


def trained(recipe: Any, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
    recipe.train.main()


def test_three_stages_end_with_a_table(
    recipe: Any, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(
        recipe, monkeypatch, made / "quickstart/dataset", "--questions", made / "questions", "--out", tmp_path, "--layers", 1,
        "--batch", 8, "--negatives", 1, "--share", 1, "--learning-rate", 1e-3, *([] if MERGES else ["--no-merge"]),
    )  # fmt: skip
    said = capsys.readouterr().out.splitlines()
    found = json.loads((tmp_path / "results.json").read_text())
    names = ["base", "stage 1", "stage 2", *(["merged"] if MERGES else [])]
    assert said[-len(found["table"]) :] == found["table"]
    assert found["table"][0] == "| model | nDCG@10 | against base, 95 % |"
    assert [line.split(" | ")[0] for line in found["table"][2:]] == [f"| {name}" for name in names]
    figures = [float(line.split(" | ")[1]) for line in found["table"][2:]]
    assert all(0 < figure <= 1 for figure in figures)
    assert len(set(figures)) > 1
    assert found["questions"] == 24
    first, second = found["rows"]
    assert first > 20
    assert 0 < second <= first
    assert len(found["losses"]) >= 4
    # A last batch of one pair has no negatives, so a loss of 0.
    assert all(math.isfinite(loss) and loss >= 0 for loss in found["losses"])
    assert sum(loss > 0 for loss in found["losses"]) >= 4
    assert len(list(tmp_path.glob("stage2/checkpoint-*/model.safetensors"))) == 2
    assert (tmp_path / "merged/model.safetensors").exists() == MERGES


def test_a_question_that_was_trained_on_is_refused(
    recipe: Any, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = recipe.train.read(made / "quickstart/dataset")
    recipe.squad.write(tmp_path, [{"_id": "d", "text": "t"}], [("q", f" {rows[0]['query'].upper()}?", "d")])
    with pytest.raises(SystemExit, match="1 of the questions are among the dataset's queries"):
        trained(
            recipe, monkeypatch, made / "quickstart/dataset", "--questions", tmp_path, "--out", tmp_path, "--no-merge"
        )  # fmt: skip


def test_stage_2_takes_the_highest_cosines_of_what_comes_first(recipe: Any) -> None:
    import datasets

    rows = datasets.Dataset.from_list(
        [
            {"rank": rank, "negatives": negatives, "positive_score": score}
            for rank, negatives, score in [
                (1, ["n"], 0.5),
                (2, ["n"], 0.9),
                (1, ["n"], 0.7),
                (1, [], 0.9),
                (1, ["n"], 0.6),
            ]
        ]
    )
    assert recipe.train.chosen(rows, 1.0) == [0, 2, 4]
    assert recipe.train.chosen(rows, 0.67) == [2, 4]


@pytest.mark.parametrize(("beyond", "counts"), [(0.05, True), (0.15, False)])
def test_a_negative_is_masked_from_a_tenth_above_the_positive(recipe: Any, beyond: float, counts: bool) -> None:
    """The paper's rule, in the sign that sentence-transformers gives its margin."""
    import torch

    # Two queries at right angles; the first's positive has cosine 0.6 with it, its negative `beyond` more.
    near = 0.6 + beyond
    texts = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.6, 0, 0.8], [0, 1, 0], [near, 0, (1 - near**2) ** 0.5], [0, 0, 1]])
    loss = object.__new__(recipe.train.CachedGISTEmbedLoss)
    torch.nn.Module.__init__(loss)
    loss.margin, loss.margin_strategy, loss.temperature, loss.gather_across_devices = (
        recipe.train.MARGIN,
        "absolute",
        1.0,
        False,
    )
    loss.contrast_anchors = loss.contrast_positives = loss.show_progress_bar = False
    loss.mini_batch_size, loss.similarity_fct = 2, torch.nn.CosineSimilarity(dim=-1)
    loss.cross_entropy_loss = torch.nn.CrossEntropyLoss()
    columns = [[texts[at : at + 2]] for at in (0, 2, 4)]
    found = float(loss.calculate_loss(columns, columns))
    of_first = [0.6, 0.0, *([near] if counts else []), 0.0]
    of_second = [1.0, 0.0, 0.0, 0.0]
    expected = [math.log(sum(map(math.exp, row))) - row[0] for row in (of_first, of_second)]
    assert found == pytest.approx(sum(expected) / 2, abs=1e-5)


def test_functions_have_lost_their_docstrings(recipe: Any, tmp_path: Path) -> None:
    assert recipe.stdlib.convert(tmp_path, 50) == (50, 50)
    documents, questions = (
        [json.loads(line) for line in (tmp_path / f"{part}.jsonl").read_text().splitlines()]
        for part in ("corpus", "queries")
    )
    judged = [line.split("\t") for line in (tmp_path / "qrels/test.tsv").read_text().splitlines()]
    assert judged == [
        ["query-id", "corpus-id", "score"],
        *([f"about {one['_id']}", one["_id"], "1"] for one in documents),
    ]
    assert [one["_id"] for one in questions] == [line[0] for line in judged[1:]]
    for document, question in zip(documents, questions, strict=True):
        (function,) = ast.parse(document["text"]).body
        assert ast.get_docstring(function) is None
        assert question["text"] not in " ".join(document["text"].split())
        assert 5 <= len(question["text"].split()) <= 30


def test_the_table_says_how_sure_a_difference_is(recipe: Any) -> None:
    import numpy as np

    base = np.zeros(100)
    better = base + 0.5
    better[:10] = 0
    assert recipe.measure.table({"base": base, "a": better, "b": base}) == [
        "| model | nDCG@10 | against base, 95 % |",
        "|---|---|---|",
        "| base | 0.0000 | |",
        "| a | 0.4500 | +0.4500 (+0.4200 to +0.4750) |",
        "| b | 0.0000 | |",
    ]
