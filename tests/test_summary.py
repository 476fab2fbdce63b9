"""With --json, the last line of stdout is one object that says how the command ended, whatever way it did."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from synth import cli, runs
from tests.telemetry.watched import config


def summary(*arguments: str | Path) -> dict[str, Any]:
    """Return the summary; it is the whole of stdout, and says the exit code that the command has."""
    result = CliRunner().invoke(cli.main, [*map(str, arguments), "--json"])
    (line,) = result.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["exit_code"] == result.exit_code
    if found["state"] in ("stopped", "refused", "failed"):
        assert list(found) == ["state", "exit_code", "error", "fix"]
        assert found["error"].splitlines()[0][:20] in result.stderr
    return found


def ended(*arguments: str | Path) -> tuple[str, int]:
    found = summary(*arguments)
    return found["state"], found["exit_code"]


@pytest.mark.parametrize("command", ["run", "update"])
def test_run_and_update(command: str, tmp_path: Path) -> None:
    path = config(tmp_path)
    assert ended(command, path, "--max-time", "0s") == ("stopped", 8)
    assert ended(command, path) == ("done", 0)
    assert ended(command, path) == ("nothing_new", 9 if command == "update" else 0)
    assert ended(command, path, "--set", "corpus.path=nowhere") == ("failed", 3)
    assert ended(command, path, "--set", "sede=1") == ("failed", 2)
    failing = ["--set", "engine.failing=1", "--set", "max_failed=0", "--set", "seed=1"]
    assert ended(command, path, *failing) == ("failed", 7)


def test_export_and_publish(tmp_path: Path) -> None:
    path, to = config(tmp_path, publish={"licence": "cc0-1.0"}), ["--to", tmp_path / "there"]
    triplets = ["--format", "sentence_transformers_triplet", "--out", tmp_path / "triplets"]
    assert ended("export", path, *triplets) == ("failed", 5)
    assert ended("publish", path, *to, "--accept-licence", "corpus") == ("failed", 6)
    summary("run", path)
    assert ended("export", path, *triplets) == ("done", 0)
    assert ended("export", path, "--format", "none", "--out", tmp_path / "x") == ("failed", 2)
    assert ended("publish", path, *to) == ("refused", 10)
    to += ["--accept-licence", "corpus"]
    assert ended("publish", path, *to, "--dry-run") == ("dry_run", 0)
    assert ended("publish", path, *to) == ("done", 0)
    assert ended("publish", path, *to) == ("nothing_new", 0)


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "CONFIG", "--odd"], ["publish", "CONFIG"], ["rnu", "CONFIG"], ["run", "CONFIG", "-n", "x"]]
)  # fmt: skip
def test_a_command_line_that_is_not_valid(arguments: list[str], tmp_path: Path) -> None:
    path = str(config(tmp_path))
    result = CliRunner().invoke(cli.main, [path if one == "CONFIG" else one for one in arguments] + ["--json"])
    found = json.loads(result.stdout)
    assert (found["state"], found["exit_code"], result.exit_code) == ("failed", 2, 2)
    assert found["error"] in " ".join(result.stderr.split())


def test_a_bug_and_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, state, code in ((ZeroDivisionError("oh"), "failed", 1), (KeyboardInterrupt(), "stopped", 130)):

        def fails(*_: Any, raised: BaseException = error, **__: Any) -> None:
            raise raised

        monkeypatch.setattr(runs, "run", fails)
        result = CliRunner().invoke(cli.main, ["run", str(config(tmp_path)), "--json"])
        found = json.loads(result.stdout)
        assert (found["state"], found["exit_code"], result.exit_code) == (state, code, code)
        assert found["error"] in ("ZeroDivisionError: oh", "interrupted: what is finished is kept")
