import asyncio
import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth import ledger, store
from synth.errors import BudgetError, ModelError, Stopped, StoreError, VerifyError
from synth.executors import local
from synth.stage import Fold, Map, Source, Stage, Workspace
from synth.stop import Stop

NUMBERS = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("n", pa.int64(), nullable=False)])


class Silent:
    """A display that counts."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, stage: Stage, total: int | None) -> "Silent":
        return self

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def advance(self, rows: int, ok: int, **totals: float) -> None:
        self.rows += rows


def numbers(*values: int) -> pa.Table:
    return pa.table({"id": [f"r{value}" for value in values], "n": list(values)}, schema=NUMBERS)


def source(*shards: pa.Table) -> Source:
    return Source(name="source", does="", writes=NUMBERS, read=lambda: iter(shards))


def double(rows: pa.Table, _: Any) -> pa.Table:
    return rows.set_column(1, NUMBERS.field("n"), pa.array([2 * n for n in rows.column("n").to_pylist()]))


def doubled(after: Stage, **changes: Any) -> Map:
    return Map(**{"name": "doubled", "does": "", "writes": NUMBERS, "after": (after,), "fn": double, **changes})


def total(after: Stage) -> Fold:
    def fn(shards: Iterator[pa.Table], workspace: Workspace) -> Mapping[str, int]:
        found = sum(sum(rows.column("n").to_pylist()) for rows in shards)
        (workspace.folder / "total.txt").write_text(str(found))
        return {"total": found}

    return Fold(name="total", does="", writes=NUMBERS, after=(after,), fn=fn, columns=("n",))


def test_rows_go_through_source_map_and_fold(tmp_path: Path) -> None:
    first = source(numbers(1, 2), numbers(3))
    second = doubled(first)
    third = total(second)
    assert local.run([first, second, third], tmp_path, Silent()) == [first, second, third]
    assert [part.to_pydict() for part in store.read_parts(tmp_path, second)] == [
        {"id": ["r1", "r2"], "n": [2, 4]},
        {"id": ["r3"], "n": [6]},
    ]
    assert (tmp_path / third.folder / "total.txt").read_text() == "12"
    assert store.finished(tmp_path / second.folder, second).counts == {"ok": 3}
    assert local.run([first, second, third], tmp_path, Silent()) == []


def test_a_half_finished_map_goes_on_at_the_first_missing_shard(tmp_path: Path) -> None:
    seen: list[list[int]] = []

    def fails_once(rows: pa.Table, _: Any) -> pa.Table:
        seen.append(rows.column("n").to_pylist())
        if seen == [[1], [2]]:
            raise StoreError("full")
        return double(rows, _)

    first = source(numbers(1), numbers(2), numbers(3))
    second = doubled(first, fn=fails_once)
    with pytest.raises(StoreError):
        local.run([first, second], tmp_path, Silent())
    assert not store.is_finished(tmp_path, second)
    (tmp_path / second.folder / ".part-00001.parquet.1.tmp").write_bytes(b"half")
    local.run([first, second], tmp_path, Silent())
    assert seen == [[1], [2], [2], [3]]
    assert sorted(path.name for path in (tmp_path / second.folder).iterdir()) == [
        "manifest.json",
        "part-00000.parquet",
        "part-00001.parquet",
        "part-00002.parquet",
    ]


def test_a_resource_is_opened_once_and_only_when_there_is_work(tmp_path: Path) -> None:
    opened = []

    @contextlib.contextmanager
    def resource(workspace: Workspace) -> Iterator[int]:
        opened.append(workspace.folder.name)
        yield 10

    first = source(numbers(1), numbers(2))
    second = doubled(first, open=resource)
    local.run([first, second], tmp_path, Silent())
    local.run([first, second], tmp_path, Silent())
    assert opened == [second.folder]


@pytest.mark.parametrize("wrong", [numbers(2, 1), numbers(1), numbers(1, 2, 3)])
def test_a_map_that_loses_adds_or_swaps_rows_is_stopped(tmp_path: Path, wrong: pa.Table) -> None:
    first = source(numbers(1, 2))
    with pytest.raises(VerifyError, match="stage 'doubled', shard 0: 2 rows went in, and other rows came out"):
        local.run([first, doubled(first, fn=lambda rows, _: wrong)], tmp_path, Silent())


def test_a_coroutine_keeps_several_shards_under_way_and_their_order(tmp_path: Path) -> None:
    begun: list[int] = []
    under_way: set[int] = set()
    most: list[int] = []

    async def waits_for_the_next_two(rows: pa.Table, _: Any) -> pa.Table:
        number = rows.column("n").to_pylist()[0]
        begun.append(number)
        under_way.add(number)
        most.append(len(under_way))
        while len(begun) < min(number + 3, 6):  # would never end if shards ran one after the other
            await asyncio.sleep(0.001)
        under_way.remove(number)
        return double(rows, None)

    first = source(*(numbers(n) for n in range(6)))
    second = doubled(first, fn=waits_for_the_next_two, rows_ahead=lambda _: 3)
    local.run([first, second], tmp_path, Silent())
    assert [part.column("n").to_pylist() for part in store.read_parts(tmp_path, second)] == [
        [0],
        [2],
        [4],
        [6],
        [8],
        [10],
    ]
    assert (begun, max(most)) == ([0, 1, 2, 3, 4, 5], 3)


def test_an_error_in_one_shard_keeps_the_finished_ones(tmp_path: Path) -> None:
    async def third_fails(rows: pa.Table, _: Any) -> pa.Table:
        if rows.column("n").to_pylist() == [2]:
            raise StoreError("engine died")
        return double(rows, None)

    first = source(*(numbers(n) for n in range(3)))
    second = doubled(first, fn=third_fails, rows_ahead=lambda _: 1)
    with pytest.raises(StoreError, match="engine died"):
        local.run([first, second], tmp_path, Silent())
    assert sorted(path.name for path in (tmp_path / second.folder).iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
        "parts.jsonl",
    ]


def test_a_changed_setting_runs_only_what_comes_after_it(tmp_path: Path) -> None:
    first = source(numbers(1))
    local.run([first, doubled(first), total(doubled(first))], tmp_path, Silent())
    changed = doubled(first, settings={"by": 2})
    assert [stage.name for stage in local.run([first, changed, total(changed)], tmp_path, Silent())] == [
        "doubled",
        "total",
    ]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class Counting:
    """A map's function that knows which shards it made."""

    def __init__(self, add: int = 0) -> None:
        self.made: list[list[int]] = []
        self.add = add

    def __call__(self, rows: pa.Table, _: Any) -> pa.Table:
        self.made.append(rows.column("n").to_pylist())
        return rows.set_column(1, NUMBERS.field("n"), pa.array([n + self.add for n in rows.column("n").to_pylist()]))


def chain(first: Counting, second: Counting) -> list[Stage]:
    """source → first → second → total"""
    begin = source(numbers(1), numbers(2), numbers(3))
    one = doubled(begin, name="first", fn=first)
    two = doubled(one, name="second", fn=second)
    return [begin, one, two, total(two)]


def names(stages: list[Stage]) -> list[str]:
    return [stage.name for stage in stages]


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_shard_is_made_anew_and_nothing_else(tmp_path: Path, damage: str) -> None:
    stages = chain(Counting(), Counting())
    local.run(stages[:2], tmp_path, Silent())
    path = tmp_path / stages[1].folder / "part-00001.parquet"
    whole = path.read_bytes()
    match damage:
        case "flip":
            flip(path)
        case "cut":
            path.write_bytes(whole[:-9])
        case "delete":
            path.unlink()
    if damage == "flip":  # of the same size, so that only who reads it can tell
        with pytest.raises(StoreError, match=r"part-00001.parquet: damaged"):
            local.run(stages, tmp_path, Silent())
    again = chain(Counting(), Counting())
    local.run(again, tmp_path, Silent())
    assert path.read_bytes() == whole
    assert again[1].fn.made == [[2]]  # type: ignore[attr-defined]
    assert (tmp_path / stages[3].folder / "total.txt").read_text() == "6"


def test_what_is_mended_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stages = chain(Counting(), Counting())
    local.run(stages, tmp_path, Silent())
    assert caplog.messages == []
    (tmp_path / stages[1].folder / "part-00001.parquet").unlink()
    local.run(stages, tmp_path, Silent())
    assert caplog.messages == [
        "stage 'first' was finished, but its files or those before it have changed: it is mended"
    ]


def test_a_deleted_stage_in_the_middle_is_made_anew_and_what_follows_stays(tmp_path: Path) -> None:
    stages = chain(Counting(), Counting())
    local.run(stages, tmp_path, Silent())
    shutil.rmtree(tmp_path / stages[1].folder)
    again = chain(Counting(), Counting())
    assert names(local.run(again, tmp_path, Silent())) == ["first"]
    assert again[1].fn.made == [[1], [2], [3]]  # type: ignore[attr-defined]


def test_what_comes_out_other_when_made_anew_carries_on_to_what_follows(tmp_path: Path) -> None:
    stages = chain(Counting(), Counting())
    local.run(stages, tmp_path, Silent())
    (tmp_path / stages[1].folder / "part-00002.parquet").unlink()
    again = chain(Counting(add=10), Counting())  # a model on a GPU, say: the same fingerprint, other digits
    assert names(local.run(again, tmp_path, Silent())) == ["first", "second", "total"]
    assert again[2].fn.made == [[13]]  # type: ignore[attr-defined]
    assert (tmp_path / stages[3].folder / "total.txt").read_text() == "16"


def test_a_damaged_side_table_is_found_before_it_is_used(tmp_path: Path) -> None:
    first = source(numbers(1))
    side = total(first)
    last = replace(doubled(first, name="last"), after=(first, side))
    local.run([first, side], tmp_path, Silent())
    flip(tmp_path / side.folder / "total.txt")
    with pytest.raises(StoreError, match=r"total.txt: damaged"):
        local.run([first, side, last], tmp_path, Silent())
    assert names(local.run([first, side, last], tmp_path, Silent())) == ["total", "last"]


def test_a_corpus_that_reads_otherwise_at_resume_is_written_anew(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.Table]:
        yield numbers(1)
        yield numbers(2)
        raise StoreError("full")

    with pytest.raises(StoreError):
        local.run([replace(source(), read=broken)], tmp_path, Silent())
    now = source(numbers(1), numbers(5), numbers(3))
    local.run([now], tmp_path, Silent())
    assert [part.column("n").to_pylist() for part in store.read_parts(tmp_path, now)] == [[1], [5], [3]]


def test_a_fold_that_does_not_account_for_its_rows_is_stopped(tmp_path: Path) -> None:
    first = source(numbers(1, 2, 3))
    with pytest.raises(VerifyError, match="3 rows went in, and 6 are accounted for"):
        local.run([first, replace(total(first), same_rows=True)], tmp_path, Silent())


FATES = pa.schema([*NUMBERS, pa.field("status", pa.string(), nullable=False), pa.field("reason", pa.string())])


def test_failed_rows_are_tried_again_only_when_asked_and_only_their_shards(tmp_path: Path) -> None:
    made: list[list[int]] = []
    down = True

    def engine(rows: pa.Table, _: Any) -> pa.Table:
        values = rows.column("n").to_pylist()
        made.append(values)
        fates = [("failed", "timeout") if down and n == 2 else ("ok", None) for n in values]
        return rows.append_column(FATES.field("status"), pa.array([fate for fate, _ in fates])).append_column(
            FATES.field("reason"), pa.array([reason for _, reason in fates], pa.string())
        )

    first = source(numbers(1), numbers(2), numbers(3))
    second = doubled(first, writes=FATES, fn=engine)
    third = doubled(second, name="third", writes=FATES, fn=lambda rows, _: rows)
    local.run([first, second, third], tmp_path, Silent())
    assert store.finished(tmp_path / third.folder, third).counts == {"failed/timeout": 1, "ok": 2}
    assert local.run([first, second, third], tmp_path, Silent()) == []
    down = False
    assert names(local.run([first, second, third], tmp_path, Silent(), retry_failed=True)) == ["doubled", "third"]
    assert made == [[1], [2], [3], [2]]
    assert store.finished(tmp_path / third.folder, third).counts == {"ok": 3}
    assert local.run([first, second, third], tmp_path, Silent(), retry_failed=True) == []


def test_a_stage_that_is_judged_bad_is_not_finished(tmp_path: Path) -> None:
    def judge(counts: Mapping[str, int]) -> None:
        raise BudgetError(f"too many: {counts}")

    first = source(numbers(1, 2))
    for _ in range(2):  # run again, it is judged again
        with pytest.raises(BudgetError, match=r"too many: \{'ok': 2\}"):
            local.run([first, doubled(first, judge=judge)], tmp_path, Silent())
    assert names(local.run([first, doubled(first)], tmp_path, Silent())) == ["doubled"]


def test_asked_to_stop_a_map_ends_between_two_shards_and_goes_on_there(tmp_path: Path) -> None:
    stop = Stop()
    seen: list[list[int]] = []

    def fn(rows: pa.Table, _: Any) -> pa.Table:
        seen.append(rows.column("n").to_pylist())
        if seen == [[1], [2]]:
            stop.request("SIGTERM")
        return double(rows, _)

    first = source(numbers(1), numbers(2), numbers(3))
    second = doubled(first, fn=fn)
    with pytest.raises(Stopped, match=r"stopped early \(SIGTERM\)"):
        local.run([first, second], tmp_path, Silent(), stop)
    local.run([first, second], tmp_path, Silent())
    assert seen == [[1], [2], [3]]


def test_asked_to_stop_a_fold_leaves_nothing_half_made(tmp_path: Path) -> None:
    stop = Stop()

    def fn(shards: Iterator[pa.Table], workspace: Workspace) -> Mapping[str, int]:
        next(shards)
        (workspace.folder / "half").touch()
        stop.request("SIGINT")
        return {"rows": sum(rows.num_rows for rows in shards)}

    first = source(numbers(1), numbers(2))
    fold = replace(total(first), fn=fn)
    with pytest.raises(Stopped):
        local.run([first, fold], tmp_path, Silent(), stop)
    assert not (tmp_path / fold.folder).exists()


def test_asked_to_stop_shards_under_way_may_come_to_their_end(tmp_path: Path) -> None:
    stop = Stop(grace=60)

    async def fn(rows: pa.Table, _: Any) -> pa.Table:
        match rows.column("n").to_pylist():
            case [0]:
                stop.request("SIGTERM")
            case [1]:
                while not stop.requested:
                    await asyncio.sleep(0)
            case [2]:
                raise stop.error()  # a shard with rows that were not begun
        return double(rows, None)

    first = source(*(numbers(n) for n in range(5)))
    second = doubled(first, fn=fn, rows_ahead=lambda _: 3)
    with pytest.raises(Stopped):
        local.run([first, second], tmp_path, Silent(), stop)
    assert sorted(ledger.noted(tmp_path / second.folder)) == ["part-00000.parquet", "part-00001.parquet"]


def test_after_the_grace_time_shards_under_way_are_broken_off(tmp_path: Path) -> None:
    stop = Stop(grace=0.05)

    async def fn(rows: pa.Table, _: Any) -> pa.Table:
        stop.request("SIGTERM")
        await asyncio.Event().wait()
        return rows

    first = source(numbers(1))
    with pytest.raises(Stopped):
        local.run([first, doubled(first, fn=fn)], tmp_path, Silent(), stop)


def test_a_damaged_manifest_is_set_aside_and_its_stage_made_anew(tmp_path: Path) -> None:
    stages = chain(Counting(), Counting())
    local.run(stages, tmp_path, Silent())
    manifest = tmp_path / stages[1].folder / store.MANIFEST
    whole = manifest.read_bytes()
    manifest.write_bytes(b"")
    with pytest.raises(StoreError, match=r"manifest.json: damaged.*set aside") as caught:
        local.run(stages, tmp_path, Silent())
    assert "run the same command again" in caught.value.fix
    assert names(local.run(stages, tmp_path, Silent())) == ["first"]
    assert manifest.read_bytes() == whole


def test_shards_to_retry_stay_until_the_engine_is_there(tmp_path: Path) -> None:
    @contextlib.contextmanager
    def dead(workspace: Workspace) -> Iterator[int]:
        raise ModelError("no engine")
        yield 0

    def failing(rows: pa.Table, _: Any) -> pa.Table:
        return rows.append_column(FATES.field("status"), pa.array(["failed"] * rows.num_rows)).append_column(
            FATES.field("reason"), pa.array(["timeout"] * rows.num_rows)
        )

    first = source(numbers(1), numbers(2))
    second = doubled(first, writes=FATES, fn=failing)
    local.run([first, second], tmp_path, Silent())
    before = {path.name: path.read_bytes() for path in (tmp_path / second.folder).iterdir()}
    with pytest.raises(ModelError):
        local.run([first, replace(second, open=dead)], tmp_path, Silent(), retry_failed=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / second.folder).iterdir()} == before


def test_a_source_that_has_fewer_shards_at_resume_leaves_none_over(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.Table]:
        yield from (numbers(1), numbers(2), numbers(3))
        raise StoreError("full")

    with pytest.raises(StoreError):
        local.run([replace(source(), read=broken)], tmp_path, Silent())
    now = source(numbers(1))
    local.run([now], tmp_path, Silent())
    assert sorted(path.name for path in (tmp_path / now.folder).iterdir()) == ["manifest.json", "part-00000.parquet"]


def test_empty_shards_are_not_all_begun_at_once(tmp_path: Path) -> None:
    under_way, most = 0, 0

    async def fn(rows: pa.Table, _: Any) -> pa.Table:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return rows

    first = source(*(numbers() for _ in range(30)))
    local.run([first, doubled(first, fn=fn, rows_ahead=lambda _: 4)], tmp_path, Silent())
    assert most <= 4
