import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth import store
from synth.errors import StoreError, VerifyError
from synth.executors import local
from synth.stage import Fold, Map, Source, Stage, Workspace

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
    (tmp_path / second.folder / store.MANIFEST).unlink()
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
    second = doubled(first, fn=waits_for_the_next_two, rows_ahead=3)
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
    second = doubled(first, fn=third_fails, rows_ahead=1)
    with pytest.raises(StoreError, match="engine died"):
        local.run([first, second], tmp_path, Silent())
    assert sorted(path.name for path in (tmp_path / second.folder).iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_a_changed_setting_runs_only_what_comes_after_it(tmp_path: Path) -> None:
    first = source(numbers(1))
    local.run([first, doubled(first), total(doubled(first))], tmp_path, Silent())
    changed = doubled(first, settings={"by": 2})
    assert [stage.name for stage in local.run([first, changed, total(changed)], tmp_path, Silent())] == [
        "doubled",
        "total",
    ]
