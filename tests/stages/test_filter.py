import sys
from types import ModuleType

import pytest

from synth.errors import SynthError
from synth.filters import length, refers
from synth.settings import Strict
from synth.stages import filter as stage_filter
from tests.rows import pair, pairs

JUNK = {"query": "this text", "words": 0}


def fates(filters: dict[str, Strict], *rows: dict[str, object]) -> list[tuple[object, object, object]]:
    judged = stage_filter.judge(pairs(*rows), None, filters=filters).to_pylist()
    return [(row["status"], row["reason"], row["detail"]) for row in judged]


def test_the_first_filter_that_rejects_names_the_reason() -> None:
    both = {"length": length.Settings(min_words=3), "refers": refers.Settings()}
    short = ("rejected", "too_short", "2 of at least 3 words")
    talks = ("rejected", "refers_to_passage", "this text")
    good = ("ok", None, None)
    assert fates(both, pair(**JUNK), pair(), pair(query="what is this text for")) == [short, good, talks]
    assert fates(dict(reversed(both.items())), pair(**JUNK)) == [talks]


def test_rows_that_are_out_are_neither_judged_nor_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    fake = ModuleType("mylab.spy")
    fake.reject = lambda rows, settings: [seen.append(q) for q in rows["query"].to_pylist()]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mylab", ModuleType("mylab"))
    monkeypatch.setitem(sys.modules, "mylab.spy", fake)
    rows = [pair(query="", status="failed", reason="parse", detail="no JSON"), pair()]
    assert fates({"mylab.spy": Strict()}, *rows) == [("failed", "parse", "no JSON"), ("ok", None, None)]
    assert seen == ["how do otters sleep"]


def test_a_filter_that_loses_rows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(length, "reject", lambda rows, settings: [None])
    with pytest.raises(SynthError, match=r"filters.length: returned 1 verdicts for 2 rows"):
        fates({"length": length.Settings()}, pair(), pair(query="otters at night"))


def test_no_rows_and_no_filters() -> None:
    assert fates({"length": length.Settings()}) == []
    assert fates({}, pair()) == [("ok", None, None)]
