from pathlib import Path

import pyarrow as pa
import pytest

from synth import timings
from synth.stage import Stage

STAGE = Stage(name="made", does="make rows", writes=pa.schema([]))


def test_timings_skip_a_torn_line(tmp_path: Path) -> None:
    timings.note(tmp_path, STAGE, 1.5, requests=3)
    with (tmp_path / "timings.jsonl").open("a") as stream:
        stream.write('{"stage": "ma')
    found = timings.read(tmp_path)[STAGE.fingerprint]
    assert (found["stage"], found["seconds"], found["requests"]) == ("made", 1.5, 3)


def test_the_last_entry_counts_also_when_the_clock_went_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for now, seconds in ((2e9, 1.0), (1e9, 2.0)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        timings.note(tmp_path, STAGE, seconds)
    found = timings.read(tmp_path)[STAGE.fingerprint]
    assert (found["finished"], found["seconds"]) == (1e9, 2.0)


def test_later_rounds_add_and_sessions_that_were_stopped_count_for_the_time_alone(tmp_path: Path) -> None:
    timings.note(tmp_path, STAGE, 1.0, requests=3, output_tokens=9.0)
    timings.note(tmp_path, STAGE, 0.5, whole=False)
    timings.note(tmp_path, STAGE, 2.0, adds=True, requests=4, output_tokens=1.0)
    found = timings.read(tmp_path)[STAGE.fingerprint]
    assert (found["seconds"], found["requests"], found["output_tokens"]) == (3.0, 7, 10.0)
    assert timings.seconds(tmp_path, STAGE) == 3.5
    timings.note(tmp_path, STAGE, 5.0, requests=1)  # made anew
    assert timings.read(tmp_path)[STAGE.fingerprint]["requests"] == 1
