import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from synth import config, pipeline
from synth.config import Config
from synth.errors import SynthError
from synth.filters import QUESTIONS, ROWS, TEXTS, length, refers
from synth.settings import Strict
from synth.stages import filter as stage_filter
from synth.tasks import retrieval
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


def shown(judges: str, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What a filter of this kind is shown: query, query_language, words and type of each row."""
    seen: list[tuple[Any, ...]] = []

    def reject(rows: pa.Table, settings: Strict) -> list[str | None]:
        columns = (rows.column(name).to_pylist() for name in ("query", "query_language", "words", "type"))
        seen.extend(zip(*columns, strict=True))
        return [f"spied: {query}" if query.startswith("bad") else None for query in rows.column("query").to_pylist()]

    fake = ModuleType("mylab.spy")
    fake.reject, fake.JUDGES = reject, judges  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mylab", ModuleType("mylab"))
    monkeypatch.setitem(sys.modules, "mylab.spy", fake)
    seen.append(tuple(reason for _, reason, _ in fates({"mylab.spy": Strict()}, *rows)))
    return seen


TRANSLATED = {
    "task": "bitext", "query": "Otter schlafen Hand in Hand.", "query_language": "de", "positive": "Otters sleep holding hands.",
    "written_negatives": ["bad otters never sleep", "Otters sleep alone."], "written": ["query", "negatives"], "type": "negation",
}  # fmt: skip
CLASSIFIED = {
    "task": "classification", "query": "So cute!", "positive": "praise", "written_negatives": ["blame"], "words": 2,
    "instruction": "Sort comments by attitude", "written": ["query", "instruction"], "type": "label", "positive_language": "de",
}  # fmt: skip


def test_questions_are_those_about_a_passage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(QUESTIONS, monkeypatch, pair(), pair(**TRANSLATED), pair(query="bad", task="code")) == [
        ("how do otters sleep", "en", 5, "acquire_knowledge"),
        ("bad", "en", 5, "acquire_knowledge"),
        (None, None, "spied"),
    ]


def test_texts_are_all_that_the_model_wrote_and_one_bad_one_rejects_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(TEXTS, monkeypatch, pair(), pair(**TRANSLATED), pair(**CLASSIFIED), pair(written=[])) == [
        ("how do otters sleep", "en", 5, "acquire_knowledge"),
        ("Otter schlafen Hand in Hand.", "de", 5, "negation"),
        ("bad otters never sleep", "en", 4, ""),
        ("Otters sleep alone.", "en", 4, ""),
        ("So cute!", "en", 2, "label"),
        ("Sort comments by attitude", "en", 0, ""),
        (None, "spied", None, None),
    ]


def test_rows_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(ROWS, monkeypatch, pair(query="bad"), pair(**TRANSLATED)) == [
        ("bad", "en", 5, "acquire_knowledge"),
        ("Otter schlafen Hand in Hand.", "de", 5, "negation"),
        ("spied", None),
    ]


RULE = "from synth.settings import Strict\nSettings = Strict\ndef reject(rows, settings):\n    return [None] * rows.num_rows\n"


def test_an_edited_task_is_planned_and_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "lab" / "mine.py"
    file.parent.mkdir()
    (tmp_path / "docs.txt").write_text("Otters sleep holding hands.")
    task = Path(retrieval.__file__).read_text(encoding="utf-8")
    given = {
        "name": "edited", "corpus": {"path": str(tmp_path / "docs.txt")}, "tasks": {"lab.mine": {}},
        "engine": {"kind": "scripted"}, "embedder": {"kind": "hashing"},
    }  # fmt: skip
    found = []
    for text in (task, task + "# A word more.\n", task):
        file.write_text(text, encoding="utf-8")
        found.append(pipeline.build(config.parse(Config, given, where="")))
    first, edited, back = ((run.plan.fingerprint, run.generate.settings["sources"]) for run in found)
    assert first == back
    assert (first[0] == edited[0], first[1] == edited[1]) == (False, False)


def test_an_edited_rule_filters_again_and_asks_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "shop" / "numbers.py"
    file.parent.mkdir()
    given = {
        "name": "edited", "corpus": {"path": str(tmp_path / "docs.txt")}, "tasks": {"retrieval": {}},
        "engine": {"kind": "scripted"}, "embedder": {"kind": "hashing"}, "filters": {"shop.numbers": {}},
    }  # fmt: skip
    (tmp_path / "docs.txt").write_text("Otters sleep holding hands.")
    found = []
    for text in (RULE, RULE + "# A word more.\n", RULE):
        file.write_text(text)
        found.append(pipeline.build(config.parse(Config, given, where="")))
    first, edited, back = ((run.filter.fingerprint, run.generate.fingerprint) for run in found)
    assert first == back
    assert (first[0] == edited[0], first[1] == edited[1]) == (False, True)
    assert found[0].filter.settings["sources"] == {"shop.numbers": "7f7f708cae35"}
