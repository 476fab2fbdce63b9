"""The text file for Prometheus, read by prometheus_client's own parser, after each way that a command can end."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from synth.errors import ModelError
from synth.stages import generate
from synth.stop import Stop
from tests.telemetry.watched import config, invoke

Samples = dict[str, dict[tuple[str, ...], float]]


def read(path: Path, of: str) -> Samples:
    """Return the values by name, and by labels other than `config`, which must be `of`."""
    found: Samples = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert (family.type, bool(family.documentation), family.name[:6]) == ("gauge", True, "synth_")
        for sample in family.samples:
            assert sample.labels.pop("config") == of
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def ended(path: Path, *arguments: str | Path, command: str = "run") -> tuple[int, Samples]:
    metrics = path.with_name("toy.prom")
    result = invoke(command, path, "--metrics", metrics, *arguments)
    assert [one.name for one in path.parent.glob("*.prom*")] == ["toy.prom"]  # and nothing half-written beside it
    found = read(metrics, str(path))
    assert found["synth_exit_code"] == {(): result.exit_code}
    return result.exit_code, found


def state(found: Samples) -> list[str]:
    return [name for (name,), value in found["synth_state"].items() if value]


def test_a_run_that_is_done(tmp_path: Path) -> None:
    began = time.time()
    code, found = ended(config(tmp_path))
    summary = json.loads(invoke("run", tmp_path / "toy.yaml", "--json").stdout)
    account = summary["account"]
    assert (code, state(found)) == (0, ["done"])
    assert next(iter(found["synth_info"]))[:2] == ("run", "toy")
    assert found["synth_rows"] == {
        ("planned",): 24, ("written",): summary["rows"],
        ("rejected",): sum(account["rejected"].values()), ("failed",): sum(account["failed"].values()),
    }  # fmt: skip
    assert found["synth_dataset_rows"] == {(): summary["rows"]}
    assert found["synth_rejected_rows"] == {(reason,): rows for reason, rows in account["rejected"].items()} != {}
    assert found["synth_requests"][("engine",)] > 24
    assert found["synth_requests"][("journal",)] == 0
    assert found["synth_tokens"][("prompt",)] > found["synth_tokens"][("output",)] > 0
    assert [*found["synth_stage_rows"]][:2] == [("corpus",), ("personas",)]
    assert found["synth_stage_rows"][("generate",)] == 24
    assert found["synth_stage_rows"].keys() == found["synth_stage_duration_seconds"].keys()
    assert found["synth_stage_ok_rows"][("negatives",)] == summary["rows"]
    last = found["synth_last_success_timestamp_seconds"][()]
    assert began < last == found["synth_last_run_timestamp_seconds"][()] < time.time()
    assert sum(found["synth_stage_duration_seconds"].values()) < found["synth_duration_seconds"][()] < 60

    code, again = ended(tmp_path / "toy.yaml")
    assert (code, state(again), again["synth_rows"]) == (0, ["nothing_new"], found["synth_rows"])
    assert again["synth_requests"] == {("engine",): 0, ("journal",): 0}
    assert again["synth_last_success_timestamp_seconds"][()] > last


def test_a_run_that_fails_keeps_the_time_of_the_last_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(tmp_path)
    _, done = ended(path)
    monkeypatch.setattr(generate, "generate", lambda *_, **__: (_ for _ in ()).throw(ModelError("gone")))
    code, found = ended(path, "--set", "seed=1")
    assert (code, state(found)) == (4, ["failed"])
    assert found["synth_rows"] == {("planned",): 24, ("written",): 0, ("rejected",): 0, ("failed",): 0}
    assert "synth_dataset_rows" not in found
    assert ("generate",) in found["synth_stage_duration_seconds"]
    assert found["synth_last_success_timestamp_seconds"] == done["synth_last_success_timestamp_seconds"]
    assert found["synth_last_run_timestamp_seconds"][()] > done["synth_last_run_timestamp_seconds"][()]
    path.write_text("sede: 1")
    code, found = ended(path)
    assert (code, state(found), "synth_rows" in found) == (2, ["failed"], False)
    assert found["synth_last_success_timestamp_seconds"] == done["synth_last_success_timestamp_seconds"]


def test_a_run_that_is_stopped_tells_what_it_came_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = Stop.check

    def after_the_filters(self: Stop) -> None:
        if self.during == "filter":
            self.request("SIGTERM")
        check(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "check", after_the_filters)
        code, found = ended(config(tmp_path))
    assert (code, state(found), found["synth_rows"][("planned",)]) == (8, ["stopped"], 24)
    assert "synth_last_success_timestamp_seconds" not in found
    code, found = ended(tmp_path / "toy.yaml")
    assert (code, state(found)) == (0, ["done"])
    assert "generate" not in found["synth_stage_rows"]


def test_updates(tmp_path: Path) -> None:
    path = config(tmp_path)
    code, first = ended(path, command="update")
    assert (code, state(first), first["synth_rows"][("planned",)]) == (0, ["done"], 24)
    code, found = ended(path, command="update")
    assert (code, state(found), found["synth_rows"][("planned",)]) == (9, ["nothing_new"], 0)
    assert found["synth_dataset_rows"] == first["synth_dataset_rows"]
    assert found["synth_last_success_timestamp_seconds"][()] > first["synth_last_success_timestamp_seconds"][()]
    code, found = ended(path, "--max-time", "0s", "--set", "tasks.retrieval.rows_per_passage=3", command="update")
    assert (code, state(found)) == (8, ["stopped"])


def test_labels_are_escaped(tmp_path: Path) -> None:
    path = config(tmp_path, 'a "b" \\n\nc.yaml')
    metrics = tmp_path / "toy.prom"
    assert invoke("run", path, "--metrics", metrics).exit_code == 0
    assert read(metrics, str(path))["synth_exit_code"] == {(): 0}


def test_a_file_that_cannot_be_written_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(tmp_path)
    for metrics, what in {tmp_path / "none/a.prom": "its folder is not there", tmp_path: "is a folder"}.items():
        result = invoke("run", path, "--metrics", metrics)
        assert (result.exit_code, what in result.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    result = invoke("run", path, "--metrics", tmp_path / "a.prom")
    assert (result.exit_code, "pip install '.[metrics]'" in result.stderr) == (2, True)
    assert not (tmp_path / "outputs").exists()


def test_a_file_that_cannot_be_written_in_the_end_does_not_fail_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("prometheus_client.write_to_textfile", full)
    result = invoke("run", config(tmp_path), "--metrics", tmp_path / "a.prom")
    assert (result.exit_code, "a.prom: cannot be written: No space left on device" in result.stderr) == (0, True)


@pytest.mark.parametrize("there", [b"", b"\xff", b"synth_last_success_timestamp_seconds{config=", b"a b c d\n"])
def test_a_file_that_is_not_ours_is_replaced(there: bytes, tmp_path: Path) -> None:
    (tmp_path / "toy.prom").write_bytes(there)
    assert ended(config(tmp_path))[0] == 0
