import os
from pathlib import Path

import pyarrow as pa
import pytest

from synth import store, timings
from synth.report.counts import Part
from synth.report.pace import Pace, finished, over_time, sessions
from synth.stage import Stage

STAGE = Stage(name="made", does="make rows", writes=pa.schema([pa.field("id", pa.string())]))


def part(requests: int, tokens: int = 0, accepted: int = 0) -> Part:
    return Part(10, accepted, requests, 0, 0, tokens)


def test_a_shard_counts_for_the_time_since_the_one_before_it() -> None:
    found = over_time([(1000.0, 1090.0)], [1030.0, 1060.0, 1090.0], [part(30, 300, 3), part(60), part(90, 0, 6)])
    assert found == [
        Pace(0.0, 30 / 3600, 1.0, 10.0, 360.0), Pace(30 / 3600, 60 / 3600, 2.0, 0.0, 0.0),
        Pace(60 / 3600, 90 / 3600, 3.0, 0.0, 720.0),
    ]  # fmt: skip


def test_pauses_between_sessions_do_not_count_and_shards_may_end_in_any_order() -> None:
    found = over_time([(0.0, 20.0), (5000.0, 5010.0)], [5010.0, 10.0, 20.0], [part(30), part(10), part(20)])
    assert [one.requests for one in found] == [1.0, 2.0, 3.0]
    assert found[-1].end == 30 / 3600


def test_shards_that_end_at_once_share_their_time() -> None:
    found = over_time([(0.0, 30.0)], [30.0, 30.0, 30.0], [part(30), part(30), part(30)])
    assert sum(one.requests * (one.end - one.start) * 3600 for one in found) == pytest.approx(90)


@pytest.mark.parametrize(
    ("ends", "parts"),
    [([10.0, 20.0], 2), ([10.0, 20.0, 9999.0], 3), ([10.0, 20.0], 3), ([0.0, 0.0, 0.0], 3)],
    ids=["two shards", "a copy, with times of its own", "other shards than were counted", "no time at all"],
)
def test_nothing_is_told_where_nothing_is_known(ends: list[float], parts: int) -> None:
    assert over_time([(0.0, 30.0)], ends, [part(30)] * parts) == []


def test_times_come_from_the_files_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1010.0)
    timings.note(tmp_path, STAGE, 10.0, requests=3)
    files = [store.write_part(tmp_path / STAGE.folder, at, pa.table({"id": ["x"]}, STAGE.writes)) for at in range(2)]
    store.finish(tmp_path / STAGE.folder, STAGE, {"ok": 2}, files)
    for at, when in enumerate((1004.0, 1009.0)):
        os.utime(tmp_path / STAGE.folder / store.part_name(at), (when, when))
    assert sessions(tmp_path, STAGE) == [(1000.0, 1010.0)]
    assert finished(tmp_path, STAGE) == [1004.0, 1009.0]
