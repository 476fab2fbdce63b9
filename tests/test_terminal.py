"""Real processes with standard streams that fail: what a run says must not end it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
name: run
outputs: {outputs}
corpus: {{path: examples/corpus/documents.jsonl, columns: {{text: text, title: title}}, limit: 6}}
tasks: {{retrieval: {{}}}}
engine: {{kind: scripted}}
embedder: {{kind: hashing}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(outputs=tmp_path / "outputs"))
    return path


def shell(command: str) -> "subprocess.CompletedProcess[str]":
    script = f"set -o pipefail; {command}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-", "2> >(exec true)"])
def test_a_log_that_cannot_be_written_does_not_end_a_run(config: Path, stderr: str) -> None:
    done = shell(f"{sys.executable} -m synth run {config} --json {stderr}")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ran"][-1] == "publish"


@pytest.mark.parametrize(
    ("stdout", "code", "said"),
    [
        (">/dev/full", 5, "error: standard output cannot be written: No space left on device"),
        ("| head -c 1 >/dev/null", 0, ""),
        (">&-", 0, ""),
    ],
)
def test_a_result_that_cannot_be_written_is_said_but_a_reader_may_leave(
    config: Path, stdout: str, code: int, said: str
) -> None:
    done = shell(f"{sys.executable} -m synth run {config} {stdout}")
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr
    assert (config.parent / "outputs/run/dataset/README.md").exists()


def test_what_an_encoding_does_not_know_is_escaped(config: Path) -> None:
    shell(f"{sys.executable} -m synth run {config}")
    done = shell(f"PYTHONIOENCODING=ascii {sys.executable} -m synth show {config} --stage corpus")
    assert done.returncode == 0, done.stderr
    assert "\\xb7 documents.jsonl" in done.stdout


def test_an_error_keeps_its_code_when_it_cannot_be_said(config: Path) -> None:
    assert shell(f"{sys.executable} -m synth run nowhere.yaml 2>/dev/full").returncode == 2


def test_an_error_is_json_too_where_json_was_asked_for(config: Path) -> None:
    done = shell(f"{sys.executable} -m synth verify {config} --json")
    assert (done.returncode, json.loads(done.stdout)) == (
        6,
        {
            "state": "failed",
            "exit_code": 6,
            "error": f"{config.parent}/outputs/run: the run is not finished: 14 stages are to do, 'corpus' first",
            "fix": "run `synth run` with the same config (and the same -n and --set) to the end",
        },
    )
