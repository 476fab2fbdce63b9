"""A run with benchmarks, from corpus to card: what stands in one is out, counted, and costs no answer again."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from synth import accounts, config, pipeline, runs, store
from synth.config import Config
from synth.engines import Request, Response, scripted
from synth.progress import shown
from synth.schemas import REJECTED
from tests.test_replay import CONFIG, ROWS

PER_PASSAGE = 2


@dataclass(frozen=True)
class Clean:
    """A run without benchmarks, and what of it is to stand in one."""

    outputs: Path
    query: str
    """One that was published."""
    passage: str
    """Another one's, with two published rows."""


def load(outputs: Path, benchmarks: list[dict[str, Any]]) -> Config:
    outputs.mkdir(exist_ok=True)
    path = outputs / "config.yaml"
    raw = CONFIG | {"outputs": str(outputs), "decontamination": {"benchmarks": benchmarks}}
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    return config.load(path)


def run(outputs: Path, benchmarks: list[dict[str, Any]]) -> runs.Result:
    with shown() as display:
        return runs.run(load(outputs, benchmarks), display)


def published(dataset: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(dataset.glob("data/*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    outputs = tmp_path_factory.mktemp("clean")
    first, *others = published(run(outputs, []).dataset)
    positives = [row["positive"] for row in others]
    passage = next(text for text in positives if positives.count(text) == PER_PASSAGE and text != first["positive"])
    return Clean(outputs, first["query"], passage)


@pytest.fixture(scope="module")
def benchmarks(clean: Clean, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Two: a BEIR folder has the query, with other case and points; a file has the passage, so changed too."""
    folder = tmp_path_factory.mktemp("benchmarks")
    rows = {
        "questions/corpus.jsonl": [{"_id": "d1", "title": "Zips", "text": "Gideon Sundback made the zip."}],
        "questions/queries.jsonl": [
            {"_id": "q1", "text": clean.query.upper().replace("?", " !")},
            {"_id": "q2", "text": "what is it"},
        ],
        "passages.jsonl": [
            {"id": 1, "context": "This text is in a benchmark and in no corpus."},
            {"id": 2, "context": "«" + re.sub(r"[^\w\s-]", "", clean.passage).upper().replace(" ", "\n ") + "»"},
        ],
    }
    (folder / "questions" / "qrels").mkdir(parents=True)
    for name, values in rows.items():
        (folder / name).write_text("".join(json.dumps(value) + "\n" for value in values))
    (folder / "questions/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td1\t0\n")
    return [
        {"name": "questions", "beir": str(folder / "questions"), "splits": ["test"]},
        {"name": "passages", "path": str(folder / "passages.jsonl"), "columns": ["context"]},
    ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What reaches the engine."""
    found: list[Request] = []
    real = scripted.ScriptedEngine.complete

    async def complete(self: scripted.ScriptedEngine, request: Request) -> Response:
        found.append(request)
        return await real(self, request)

    monkeypatch.setattr(scripted.ScriptedEngine, "complete", complete)
    return found


def rejected(outputs: Path, benchmarks: list[dict[str, Any]], stage: str) -> list[dict[str, Any]]:
    """The rows that a stage has left out as contaminated."""
    settings = load(outputs, benchmarks)
    rows = store.read_parts(settings.folder, vars(pipeline.build(settings))[stage])
    return [row for part in rows for row in part.to_pylist() if row["reason"] == "contaminated"]


def test_what_stands_in_a_benchmark_is_left_out_and_counted(
    clean: Clean, benchmarks: list[dict[str, Any]], asked: list[Request], tmp_path: Path
) -> None:
    result = run(tmp_path, benchmarks)

    (passage,) = rejected(tmp_path, benchmarks, "screen")
    assert (passage["text"], passage["status"], passage["detail"]) == (clean.passage, REJECTED, "passages: exact")
    assert len(asked) == 2 * (ROWS - PER_PASSAGE)  # two steps a row
    assert not any(clean.passage in message.content for request in asked for message in request.messages)

    (row,) = rejected(tmp_path, benchmarks, "decontaminate")
    assert (row["query"], row["status"], row["detail"]) == (clean.query, REJECTED, "questions: query exact")

    rows = published(result.dataset)
    assert rows
    assert clean.query not in [row["query"] for row in rows]
    assert clean.passage not in [text for row in rows for text in (row["positive"], *row["negatives"])]

    settings = load(tmp_path, benchmarks)
    account = accounts.balanced(pipeline.build(settings), settings.folder)
    assert account == result.account
    assert (account.planned, account.written) == (ROWS - PER_PASSAGE, len(rows))
    assert account.rejected["contaminated"] == 1
    assert account.planned == account.written + sum(account.rejected.values()) + sum(account.failed.values())

    stats = json.loads((result.dataset / "stats.json").read_text(encoding="utf-8"))
    assert stats["benchmarks"] == {
        "passages": {"texts": 2, "short": 0, "passages": 1, "rows": 0},
        "questions": {"texts": 3, "short": 1, "passages": 0, "rows": 1},  # with its title, a passage is two
    }
    left_out = {step["stage"]: step["rejected"].get("contaminated") for step in stats["funnel"]}
    assert (left_out["screen"], left_out["decontaminate"]) == (1, 1)
    card = (result.dataset / "README.md").read_text(encoding="utf-8")
    assert "\n| passages | 2 | 0 | 1 | 0 |\n" in card
    assert "\n| questions | 3 | 1 | 0 | 1 |\n" in card
    runs.verify(settings)

    asked.clear()
    again = run(tmp_path, benchmarks)
    assert (again.ran, asked) == ((), [])


def test_a_benchmark_that_is_added_later_asks_nothing_again(
    clean: Clean, benchmarks: list[dict[str, Any]], asked: list[Request], tmp_path: Path
) -> None:
    fresh = run(tmp_path / "fresh", benchmarks)
    asked.clear()
    shutil.copytree(clean.outputs, tmp_path / "grown")
    for some in (benchmarks[:1], benchmarks, benchmarks[::-1]):
        grown = run(tmp_path / "grown", some)
        assert {"screen", "generate", "decontaminate"} <= {*grown.ran}
        assert asked == []
    assert published(grown.dataset) == published(fresh.dataset)
    for name in ("stats.json", "README.md"):
        assert (grown.dataset / name).read_bytes() == (fresh.dataset / name).read_bytes()


def test_without_benchmarks_no_stage_looks_for_them(clean: Clean) -> None:
    settings = load(clean.outputs, [])
    assert not {"benchmarks", "screen", "decontaminate"} & {stage.name for stage in pipeline.build(settings).stages}
    stats = json.loads((settings.folder / "dataset" / "stats.json").read_text(encoding="utf-8"))
    assert stats["benchmarks"] == {}
    assert "### Benchmarks" not in (settings.folder / "dataset" / "README.md").read_text(encoding="utf-8")
