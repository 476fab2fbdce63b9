"""The commands from end to end, on the sample corpus, with the scripted engine and the hashing encoder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from synth import cli

CONFIG = """
name: run
outputs: {outputs}
seed: 1
corpus:
  path: examples/corpus/documents.jsonl
  columns: {{text: text, id: id, title: title, language: language}}
  limit: 20
  licence: CC0-1.0
tasks: {{retrieval: {{rows_per_passage: 2}}}}
engine: {{kind: scripted, junk: 0.1, in_flight: 8}}
embedder: {{kind: hashing}}
score: {{min_cosine: 0.05, max_rank: 5}}
negatives: {{per_query: 2}}
publish: {{validation: 0.3, licence: cc0-1.0}}
max_failed: 1.0
shard_rows: 7
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(CONFIG.format(outputs=tmp_path / "outputs"))
    return path


def invoke(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def parsed(*arguments: str | Path) -> Any:
    return json.loads(invoke(*arguments, "--json").stdout)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_run_makes_a_dataset_that_loads_and_verifies(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = invoke("run", config)
    assert "rows in" in result.stdout
    assert "unparsable" in result.stdout
    loaded = datasets.load_dataset(str(tmp_path / "outputs/run/dataset"), cache_dir=str(tmp_path / "cache"))
    summary = parsed("run", config)
    assert {"run": summary["run"], "ran": summary["ran"]} == {"run": "run", "ran": []}
    assert sum(split.num_rows for split in loaded.values()) == summary["rows"] > 10
    assert set(loaded) == {"train", "validation"}
    assert not set(loaded["train"]["document_id"]) & set(loaded["validation"]["document_id"])
    counts = summary["counts"]
    assert sum(counts["generate"].values()) == sum(counts["negatives"].values()) == sum(counts["plan"].values()) == 40
    assert parsed("verify", config)["rows"] == summary["rows"]
    assert "Nothing to do" in invoke("run", config).stdout


def test_two_runs_are_the_same_byte_for_byte(config: Path, tmp_path: Path) -> None:
    for name in "ab":
        invoke("run", config, "--set", f"outputs={tmp_path / name}")
    first, second = (files(tmp_path / name / "run" / "dataset") for name in "ab")
    assert first == second
    assert any(name.startswith("data/train-") for name in first)


def test_rows_do_not_depend_on_the_size_of_shards(config: Path, tmp_path: Path) -> None:
    def rows(shard_rows: int) -> list[dict[str, Any]]:
        invoke("run", config, "--set", f"outputs={tmp_path / str(shard_rows)}", "--set", f"shard_rows={shard_rows}")
        found = sorted((tmp_path / str(shard_rows) / "run/dataset/data").glob("*.parquet"))
        return [row for path in found for row in pq.read_table(path).to_pylist()]

    # Scores may differ in the last bit: a matrix product of another shape adds up in another order.
    scores = ("positive_score", "negative_scores")
    few, many = rows(3), rows(20)
    assert [{**row, **dict.fromkeys(scores)} for row in few] == [{**row, **dict.fromkeys(scores)} for row in many]
    assert [row[name] for row in few for name in scores] == [
        pytest.approx(row[name]) for row in many for name in scores
    ]


def test_a_changed_threshold_asks_the_engine_nothing(config: Path) -> None:
    invoke("run", config)
    assert parsed("run", config, "--set", "score.max_rank=1")["ran"] == [
        "select",
        "clusters",
        "dedup",
        "negatives",
        "quota",
        "publish",
    ]


def test_status_of_a_run_whose_answers_were_all_there(config: Path) -> None:
    invoke("run", config)
    invoke("run", config, "-n", "3")
    (line,) = (line for line in invoke("status", config, "-n", "3").stdout.splitlines() if line.startswith(" generate"))
    assert line.split()[:3] == ["generate", "done", "6"]
    assert line.rstrip().endswith("12 answers out of the journal")


def test_plan_counts_without_an_engine(config: Path) -> None:
    found = parsed("plan", config, "--set", "engine={kind: vllm, model: none/such}", "--tokens-per-second", "1000")
    assert (found["passages"], found["rows"], found["requests"]) == (20, 40, 80)
    assert found["seconds"] == pytest.approx((found["prompt_tokens"] + found["output_tokens"]) / 1000)
    assert "rows to write" in invoke("plan", config).stdout


def test_preview_shows_prompts_and_answers_and_keeps_nothing(config: Path, tmp_path: Path) -> None:
    result = invoke("preview", config, "-n", "2")
    assert result.stdout.count("retrieval/configure") == 2
    assert "Passage:\nPhotosynthesis is the process" in result.stdout
    assert '"question_type"' in result.stdout
    assert not (tmp_path / "outputs").exists()


def test_status_and_show_read_a_run(config: Path) -> None:
    before = parsed("status", config)
    assert {line["state"] for line in before["stages"]} == {"to do"}
    assert before["speed"] is None
    invoke("run", config)
    found = parsed("status", config)
    lines, speed = found["stages"], found["speed"]
    assert [line["stage"] for line in lines] == [
        "corpus", "personas", "index", "plan", "generate", "filter", "score", "cutoff", "select", "clusters", "dedup",
        "negatives", "quota", "publish",
    ]  # fmt: skip
    assert {line["state"] for line in lines} == {"done"}
    assert next(line for line in lines if line["stage"] == "generate")["requests"] > 60
    counts = next(line for line in lines if line["stage"] == "publish")["counts"]
    assert speed["rows"] == counts["train"] + counts["validation"]
    assert speed["rows"] * speed["requests_per_row"] == pytest.approx(
        80, abs=12
    )  # some rows end with their first answer
    assert speed["computed_tokens_per_row"] == speed["prompt_tokens_per_row"] > 100
    assert speed["prefix_cache_hit_rate"] is None
    assert "prompt tokens computed of" in invoke("status", config).stdout
    shown = json.loads(invoke("show", config, "--reason", "unparsable", "-n", "1", "--json").stdout)
    assert (shown["status"], shown["reason"]) == ("rejected", "unparsable")
    assert "query" in invoke("show", config, "-n", "1", "--status", "ok").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "none.yaml"], 2, "none.yaml: cannot be read: No such file or directory"),
        (["run", "CONFIG", "--set", "sede=1"], 2, "unknown key; did you mean 'seed'?"),
        (["run", "CONFIG", "--set", "corpus.path=nowhere"], 3, "nowhere"),
        (["run", "CONFIG", "--set", "corpus.columns.text=txet"], 3, "txet"),
        (["run", "CONFIG", "--set", "engine={kind: vllm, model: ./no/such/folder}"], 4, "no such file or folder"),
        (["run", "CONFIG", "--set", "prompts=nowhere"], 2, "'nowhere' is not a folder"),
        (
            ["run", "CONFIG", "--set", "engine.failing=1", "--set", "max_failed=0", "--set", "corpus.limit=50"],
            7,
            "rows failed",
        ),
        (["show", "CONFIG", "--stage", "negative"], 2, "unknown stage 'negative'; did you mean 'negatives'?"),
        (["show", "CONFIG"], 5, "stage 'negatives' is not finished"),
        (["verify", "CONFIG"], 6, "not finished"),
        (["run", "CONFIG", "--executor", "rai"], 2, "executors: unknown name 'rai'; did you mean 'ray'?"),
        (
            ["run", "CONFIG", "--executor", "local", "--address", "auto"],
            2,
            "executor.address: unknown key (known: kind)",
        ),
        (["run", "CONFIG", "--address", "ray://head:10001"], 2, "an address of Ray Client"),
        (["run"], 2, "Missing argument 'CONFIG'"),
    ],
)
def test_what_goes_wrong_has_one_message_and_its_own_exit_code(
    config: Path, arguments: list[str], code: int, message: str
) -> None:
    result = invoke(*(str(config) if one == "CONFIG" else one for one in arguments), code=code)
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_every_command_has_help() -> None:
    for name, command in cli.main.commands.items():
        assert command.help, name
        assert all(getattr(p, "help", "") for p in command.params if p.param_type_name == "option"), name
        assert command.help.split("\n")[0].strip() in " ".join(invoke(name, "--help").stdout.split())


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from synth.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(found.stdout.split())
    assert not loaded & {"torch", "vllm", "transformers", "pyarrow", "pydantic", "numpy", "datasets", "rich.console"}
