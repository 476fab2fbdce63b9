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
