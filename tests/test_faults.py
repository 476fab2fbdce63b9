"""Whole runs against a server that fails: nothing lost, nothing asked twice, all accounted for, no key shown."""

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result

from synth import cli, journal, kept
from synth.engines import server
from tests.llm_server import LASTING, PASSING, LlmServer

KEY = "sk-0123456789-not-to-be-seen"
CONFIG = {
    "name": "run",
    "seed": 1,
    "corpus": {
        "path": "examples/corpus/documents.jsonl",
        "columns": {"text": "text", "id": "id", "title": "title", "language": "language"},
        "limit": 20,
        "licence": "CC0-1.0",
    },
    "tasks": {"retrieval": {"rows_per_passage": 2}},
    "embedder": {"kind": "hashing"},
    "score": {"min_cosine": 0.05, "max_rank": 5},
    "negatives": {"per_query": 2},
    "publish": {"validation": 0.3, "licence": "cc0-1.0"},
    "max_failed": 1.0,
    "shard_rows": 7,
}


@pytest.fixture(autouse=True)
def key_and_short_pauses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """All runs have a key, which the server echoes where it can; afterwards it stands in no file that they left."""
    monkeypatch.setenv("SYNTH_API_KEY", KEY)
    monkeypatch.setattr(server, "FIRST_PAUSE", 0.005)
    yield
    assert [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


def run(folder: Path, llm: LlmServer | None, *, code: int = 0, **engine: Any) -> Result:
    """`synth run` in `folder`, against `llm`, or with the scripted engine itself where that is null."""
    kind = {"kind": "scripted"}
    if llm:
        kind = {"kind": "server", "url": llm.url, "model": "scripted", "timeout": 2.5, "tries": 30} | engine
    folder.mkdir(exist_ok=True)
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"outputs": str(folder), "engine": kind | {"in_flight": 8}}))
    result = CliRunner().invoke(cli.main, ["run", str(path), "--json"])
    assert result.exit_code == code, result.output + repr(result.exception)
    assert KEY not in result.output
    return result


def counts(result: Result, stage: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(result.stdout)["counts"][stage]
    return found


def checked(folder: Path) -> dict[str, int]:
    """`synth verify`: all counts add up, from stage to stage."""
    found: dict[str, int] = json.loads(CliRunner().invoke(cli.main, ["verify", f"{folder}/run.yaml", "--json"]).stdout)
    return found


def parquet(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "run/dataset").rglob("*.parquet"))}


def rows(folder: Path, stage: str) -> list[dict[str, Any]]:
    found = sorted((folder / "run").glob(f"{stage}-*/part-*.parquet"))
    return [row for path in found for row in pq.read_table(path).to_pylist()]


def answers(folder: Path) -> int:
    with kept.opened(folder / "run" / journal.FILE) as file:
        return len(file)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the scripted engine in process: what all others must come to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, None)
    return folder


def test_a_run_through_faults_at_30_percent_is_the_same_byte_for_byte(tmp_path: Path, undisturbed: Path) -> None:
    with LlmServer(rate=0.3, seed=2033) as llm:
        result = run(tmp_path, llm)
    made = counts(result, "generate")
    assert sum(made.values()) == sum(counts(result, "plan").values()) == 40
    assert not [reason for reason in made if reason.startswith("failed")]
    assert parquet(tmp_path) == parquet(undisturbed)
    assert len(llm.asked) == llm.answered.total() == answers(tmp_path) == answers(undisturbed)
    assert set(llm.answered.values()) == {1}  # nothing was asked again after its answer had come
    assert llm.asked.total() == llm.answered.total() + llm.faults.total()
    assert set(llm.faults) == set(PASSING)
    assert sum(
        json.loads(CliRunner().invoke(cli.main, ["verify", str(tmp_path / "run.yaml"), "--json"]).stdout).values()
    )


def test_without_a_second_try_each_fault_costs_its_row_under_its_reason(tmp_path: Path) -> None:
    with LlmServer(rate=0.3, kinds=(*PASSING, *LASTING), seed=2936) as llm:
        result = run(tmp_path, llm, tries=1)
    assert dict(llm.faults) == {
        "503": 2,
        "500": 1,
        "reset": 1,
        "closed": 1,
        "cut": 2,
        "short": 1,
        "drip": 1,
        "half": 2,
        "html": 1,
        "wrong": 1,
        "empty": 1,
        "shape": 2,
        "huge": 3,
        "garbled": 1,
        "not_http": 1,
        "abort": 1,
        "error": 2,
        "refused": 1,
        "too_long": 1,
    }
    assert counts(result, "generate") == {
        "ok": 14,
        "failed/bad_reply": 9,
        "failed/engine_error": 3,
        "failed/prompt_too_long": 1,
        "failed/refused": 1,
        "failed/server_error": 10,
        "failed/timeout": 1,
        "failed/wrong_reply": 1,
    }
    assert llm.faults.total() == 40 - 14
    assert llm.asked.total() == llm.answered.total() + llm.faults.total()
    assert answers(tmp_path) == llm.answered.total()
    assert all(row["detail"] for row in rows(tmp_path, "generate") if row["status"] == "failed")
    assert checked(tmp_path)["rows"] == json.loads(result.stdout)["rows"]


def test_a_server_that_dies_and_returns_costs_nothing(tmp_path: Path, undisturbed: Path) -> None:
    with LlmServer(latency=0.01, dies_after=30) as llm, noticing("cannot be reached") as noticed:

        def return_when_missed() -> None:
            llm.wait()
            if noticed.wait(60):
                llm.start()

        helper = threading.Thread(target=return_when_missed)
        helper.start()
        result = run(tmp_path, llm)
        helper.join()
    assert noticed.is_set()
    assert result.stderr.count("cannot be reached") == result.stderr.count("answers again") == 1
    assert parquet(tmp_path) == parquet(undisturbed)
    assert set(llm.answered.values()) == {1}
    assert llm.answered.total() == answers(undisturbed)


def test_a_server_that_never_returns_stops_the_run_and_what_it_answered_is_kept(
    tmp_path: Path, undisturbed: Path
) -> None:
    with LlmServer(latency=0.01, dies_after=30) as llm:
        result = run(tmp_path, llm, code=4, patience=0.5)
        said = " ".join(result.stderr.split())
        assert said.count("error:") == said.count(f"{llm.url}: cannot be reached, for ") == 1
        assert said.endswith("fix: start it again, then run the same command: what it answered is in the journal")
        before = set(llm.answered)
        assert answers(tmp_path) == len(before) == llm.answered.total() >= 30
        llm.start()
        run(tmp_path, llm, patience=0.5)
    assert set(llm.answered.values()) == {1}
    assert {body for body in before if llm.asked[body] > 1} == set()
    assert llm.answered.total() == answers(tmp_path) == answers(undisturbed)
    assert parquet(tmp_path) == parquet(undisturbed)


@pytest.mark.parametrize(("kind", "code"), [("500", 0), ("401", 4)])
def test_a_key_that_the_server_echoes_is_not_shown(tmp_path: Path, kind: str, code: int) -> None:
    with LlmServer(rate=1, kinds=[kind]) as llm:
        result = run(tmp_path, llm, tries=1, code=code)
    if code:
        assert result.stderr.count("no: Bearer ***SYNTH_API_KEY***") == 1
    else:
        said = 'HTTP 500: {"error": {"message": "you sent Bearer ***SYNTH_API_KEY***", "code": 500}}'
        assert {(row["reason"], row["detail"]) for row in rows(tmp_path, "generate")} == {("server_error", said)}


@contextlib.contextmanager
def noticing(words: str) -> Iterator[threading.Event]:
    """Set an event when the engine logs these words."""
    noticed = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                noticed.set()

    handler, log = Handler(), logging.getLogger("synth.engines.server")
    log.addHandler(handler)
    yield noticed
    log.removeHandler(handler)
