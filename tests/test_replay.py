"""What is asked again after a change: only what the change made another request."""

import shutil
from pathlib import Path

import pytest
import yaml

from synth import config, runs
from synth.engines import Request, Response, scripted
from synth.progress import shown

CONFIG = {
    "name": "run",
    "seed": 1,
    "corpus": {"path": "examples/corpus/documents.jsonl", "columns": {"text": "text", "title": "title"}, "limit": 10},
    "tasks": {"retrieval": {"rows_per_passage": 2}},
    "engine": {"kind": "scripted", "in_flight": 8},
    "embedder": {"kind": "hashing"},
    "publish": {"licence": "cc0-1.0"},
    "shard_rows": 4,
}
ROWS = 20


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answered")
    run(folder)
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which step each request that reaches the engine is of, by its answer's schema."""
    found: list[str] = []
    real = scripted.ScriptedEngine.complete

    async def complete(self: scripted.ScriptedEngine, request: Request) -> Response:
        found.append("query" if '"query"' in request.schema else "configure")
        return await real(self, request)

    monkeypatch.setattr(scripted.ScriptedEngine, "complete", complete)
    return found


def run(outputs: Path, *overrides: str) -> runs.Result:
    path = outputs / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"outputs": str(outputs)}))
    with shown() as display:
        return runs.run(config.load(path, overrides), display)


@pytest.mark.parametrize(
    ("overrides", "queries", "configures"),
    [
        ((), 0, 0),
        (("score.max_rank=7",), 0, 0),
        (("filters={type: false}",), 0, 0),
        (("shard_rows=3",), 0, 0),
        (("engine.in_flight=2",), 0, 0),
        (("negatives.per_query=2", "publish.validation=0.5"), 0, 0),
        (("corpus.licence=CC0-1.0", "max_failed=0.5", "engine.deadline=9"), 0, 0),
        (("engine.sampling.temperature=0.1",), ROWS, ROWS),
        (("engine.revision=v2",), ROWS, ROWS),
        (("engine.chat_template_kwargs={enable_thinking: false}",), ROWS, ROWS),
        (("seed=2",), ROWS, ROWS),
        (("corpus.limit=13",), 6, 6),
        (("tasks.retrieval.rows_per_passage=3",), 10, 10),
    ],
)
def test_a_change_asks_what_it_changed(
    outputs: Path, tmp_path: Path, asked: list[str], overrides: tuple[str, ...], queries: int, configures: int
) -> None:
    shutil.copytree(outputs, tmp_path / "copy")
    run(tmp_path / "copy", *overrides)
    assert (asked.count("query"), asked.count("configure")) == (queries, configures)


def test_a_changed_template_asks_its_own_step_again_and_no_other(
    outputs: Path, tmp_path: Path, asked: list[str]
) -> None:
    shutil.copytree(outputs, tmp_path / "copy")
    prompts = tmp_path / "prompts" / "retrieval"
    prompts.mkdir(parents=True)
    template = Path("prompts/retrieval/query.j2").read_text()
    (prompts / "query.j2").write_text(template.replace("Passage:\n", "Passage to write about:\n"))
    run(tmp_path / "copy", f"prompts={tmp_path / 'prompts'}")
    assert (asked.count("query"), asked.count("configure")) == (ROWS, 0)


def test_a_stage_that_is_gone_is_made_from_the_journal(outputs: Path, tmp_path: Path, asked: list[str]) -> None:
    shutil.copytree(outputs, tmp_path / "copy")
    for folder in (tmp_path / "copy" / "run").glob("generate-*"):
        shutil.rmtree(folder)
    assert run(tmp_path / "copy").ran == ("generate",)
    assert asked == []
