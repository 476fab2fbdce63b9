from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.allotment import Allotment, Share, written_in
from synth.census import Census, Group
from synth.controls import Controls
from synth.targets import Cell
from synth.tasks import Shape

EN, DE, CODE = Group("en", False, ()), Group("de", False, ("en", "fr")), Group("und", True, ())
PROSE, TRANSLATED = Shape(), Shape(positive="text", translates=True)


@pytest.mark.parametrize(
    ("settings", "shape", "group", "expected"),
    [
        ({}, PROSE, DE, {"de": 1}),
        ({}, PROSE, CODE, {}),
        ({"query_languages": {"en": 1}}, Shape(reads="code"), CODE, {"en": 1}),
        ({}, Shape(reads="code"), DE, {}),
        ({"query_languages": {"en": 3, "fr": 1, "es": 0}}, PROSE, DE, {"en": 3, "fr": 1}),
        ({"query_languages": {"en": 3, "fr": 1}, "cross_lingual": 0.25}, PROSE, DE, {"de": 0.75, "en": 0.1875, "fr": 0.0625}),
        ({"query_languages": {"en": 3, "fr": 1}, "cross_lingual": 0.25}, PROSE, EN, {"en": 0.75, "fr": 0.25}),
        ({"query_languages": {"en": 1}, "cross_lingual": 0.25}, PROSE, EN, {"en": 1}),
        ({"query_languages": {"en": 1}}, Shape(positive="text", symmetric=True), DE, {"de": 1}),
        ({}, TRANSLATED, DE, {"en": 1, "fr": 1}),
        ({}, TRANSLATED, EN, {}),
        ({"query_languages": {"en": 2, "de": 1, "es": 1}}, TRANSLATED, EN, {"de": 1, "es": 1}),
        ({"query_languages": {"en": 2, "de": 1, "es": 1}}, TRANSLATED, DE, {"en": 2}),
        ({"query_languages": {"es": 1}}, TRANSLATED, DE, {"es": 1}),
        ({"query_languages": {"es": 1}}, TRANSLATED, Group("und", False, ()), {}),
    ],
)  # fmt: skip
def test_what_a_task_writes_in(
    settings: dict[str, Any], shape: Shape, group: Group, expected: dict[str, float]
) -> None:
    assert written_in(Controls(**settings), shape, group) == expected


def allotment(cells: list[Cell], orders: list[dict[str, int]], passages: list[list[int]], **settings: Any) -> Allotment:
    census = Census([EN, DE], np.array(passages, np.int64))
    tasks = {"a": (Controls(**settings), PROSE), "b": (Controls(rows_per_passage=1), PROSE)}
    return Allotment(census, tasks, cells, orders)


def test_each_shard_gives_its_share_and_later_rounds_go_on_where_earlier_ones_stopped() -> None:
    cells = [Cell(9, "a", "en"), Cell(9, "a", "de"), Cell(9, "b")]
    found = allotment(cells, [{"a/en": 6, "b": 4}, {"a/en": 7, "a/de": 1}], [[4, 0], [2, 2]], rows_per_passage=2)
    first = [Share(2, 0, 0, 2), Share(0, 0, 0, 4)]
    assert found.shares(1, 0) == first
    assert found.shares(1, 1) == [Share(2, 0, 0, 1), Share(2, 1, 0, 1), Share(0, 0, 0, 2)]
    # Six of twelve English slots are left for seven rows: not enough, so they are given in turns.
    assert found.shares(2, 0) == [Share(0, 0, slot, 1) for slot in (4, 5, 6, 7)]
    assert found.shares(2, 1) == [Share(0, 0, 2, 1), Share(0, 0, 3, 1), Share(1, 1, 0, 1)]
    assert [found.room(cell) for cell in range(3)] == [0, 3, 4]
    assert found.shares(1, 0) == first


@given(
    passages=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8),
    wanted=st.lists(st.dictionaries(st.sampled_from(["a/en", "a/de", "a", "b"]), st.integers(0, 60)), max_size=4),
    rows=st.integers(1, 3),
)
def test_no_slot_is_given_twice_and_as_many_as_there_is_room(
    passages: list[tuple[int, int]], wanted: list[dict[str, int]], rows: int
) -> None:
    cells = [Cell(1, "a", "en"), Cell(1, "a", "de"), Cell(1, "b")]
    found = allotment(cells, wanted, [list(pair) for pair in passages], rows_per_passage=rows)
    slots: dict[tuple[int, int, str], list[int]] = {}
    given_in_all = dict.fromkeys(range(3), 0)
    for round_ in range(1, len(wanted) + 1):
        for shard in range(len(passages)):
            for share in found.shares(round_, shard):
                task = cells[share.cell].task
                slots.setdefault((shard, share.group, task), []).extend(range(share.start, share.start + share.rows))
                given_in_all[share.cell] += share.rows
    for (shard, group, task), taken in slots.items():
        assert len(set(taken)) == len(taken)
        assert max(taken) < passages[shard][group] * (rows if task == "a" else 1)
    room = {
        0: sum(en for en, _ in passages) * rows,
        1: sum(de for _, de in passages) * rows,
        2: sum(map(sum, passages)),
    }
    for cell, total in given_in_all.items():
        assert total == min(room[cell], sum(order.get(cells[cell].name, 0) for order in wanted))


def test_few_rows_come_from_anywhere_and_not_from_the_last_place() -> None:
    cells = [Cell(1, "a", "en", type=f"t{n}") for n in range(200)]
    found = allotment(cells, [{cell.name: 1 for cell in cells}], [[50, 0]] * 10)
    given_by = [sum(share.rows for share in found.shares(1, shard)) for shard in range(10)]
    assert sum(given_by) == 200
    assert all(8 <= rows <= 35 for rows in given_by)


def test_a_language_s_rows_are_cross_lingual_as_often_as_the_settings_say() -> None:
    settings = {"query_languages": {"en": 1, "de": 1}, "cross_lingual": 0.25, "rows_per_passage": 9}
    found = allotment([Cell(1, "a", "de")], [{"a/de": 400}], [[40, 120]] * 4, **settings)
    given_by = {
        group: sum(s.rows for shard in range(4) for s in found.shares(1, shard) if s.group == group) for group in (0, 1)
    }
    # 120 German passages with three quarters of their rows in German, 40 English ones with a quarter.
    assert given_by == {0: 40, 1: 360}


def test_where_the_own_language_is_used_up_the_others_give_more() -> None:
    settings = {"query_languages": {"en": 1, "de": 1}, "cross_lingual": 0.1}
    found = allotment([Cell(1, "a", "de")], [{"a/de": 50}], [[100, 10]], **settings)
    assert [(share.group, share.rows) for share in found.shares(1, 0)] == [(0, 40), (1, 10)]


def test_a_round_takes_rows_from_all_of_a_large_corpus_evenly() -> None:
    found = allotment([Cell(1, "a", "en")], [{"a/en": 1000}], [[997, 0]] * 500)
    given_by = [sum(share.rows for share in found.shares(1, shard)) for shard in range(500)]
    assert (sum(given_by), set(given_by)) == (1000, {2})
