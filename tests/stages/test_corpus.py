"""Documents in, passages out: whole tables, and one bad row that costs one row."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synth.config import Config, Corpus
from synth.errors import InputError
from synth.schemas import PASSAGES, stable_id
from synth.stage import Source
from synth.stages import corpus

LONG = "Bees dance to tell the hive where the flowers are, and how far."


def stage(shard_rows: int = 1000, **settings: Any) -> Source:
    config: Config = SimpleNamespace(corpus=Corpus(**settings), shard_rows=shard_rows)  # type: ignore[assignment]
    return corpus.stage(config)


def rows(**settings: Any) -> list[dict[str, Any]]:
    tables = list(stage(**settings).read())
    assert all(table.schema == PASSAGES for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def jsonl(path: Path, *documents: object) -> str:
    path.write_text("".join(d if isinstance(d, str) else json.dumps(d) + "\n" for d in documents))
    return str(path)


def test_each_row_is_a_passage_or_says_why_not(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "d.jsonl",
        {"id": 7, "title": "Bees\n ", "text": LONG, "lang": "EN-gb"},
        "{oops\n",
        {"id": "b", "text": None},
        {"id": "c", "text": "\u200b \n"},
        {"id": "d", "text": ["no"]},
        {"id": "e", "text": "Too short."},
        {"id": "f", "text": f"  {LONG.upper()}", "lang": "en"},
        {"id": {}, "text": LONG},
        {"id": "h", "text": LONG, "lang": "klingon"},
    )  # fmt: skip

    def row(
        line: int, document: str, text: str, tokens: int, reason: str | None, detail: str | None, **more: str
    ) -> dict[str, Any]:
        return {
            "id": stable_id("rejected", f"d.jsonl:{line}", 0) if reason else stable_id("passage", text),
            "document_id": document,
            "source": f"d.jsonl:{line}",
            "title": "",
            "text": text,
            "language": "und",
            "syntax": "",
            "parallel": "",
            "ordinal": 0,
            "passages": 1,
            "tokens": tokens,
            "status": "rejected" if reason else "ok",
            "reason": reason,
            "detail": detail,
        } | more

    columns = {"id": "id", "title": "title", "language": "lang"}
    assert rows(path=path, columns=columns) == [
        row(1, "7", LONG, 16, None, None, title="Bees", language="en"),
        row(2, stable_id("document", "source", "d.jsonl:2"), "", 0, "unreadable",
            "d.jsonl:2: not JSON: Expecting property name enclosed in double quotes at column 2"),
        row(3, "b", "", 0, "empty", "d.jsonl:3: column 'text' is null"),
        row(4, "c", "", 0, "empty", "d.jsonl:4: column 'text' is empty"),
        row(5, "d", "", 0, "unreadable", "d.jsonl:5: column 'text' is list, not a string"),
        row(6, "e", "Too short.", 3, "too_short", "3 tokens, the least is 12", language="en"),
        row(7, "f", LONG.upper(), 16, "duplicate", "of a passage of d.jsonl:1", language="en"),
        row(8, stable_id("document", "source", "d.jsonl:8"), "", 0, "unreadable",
            "d.jsonl:8: column 'id' is {}, not a string or number"),
        row(9, "h", LONG, 16, "unreadable", "d.jsonl:9: column 'language' is 'klingon', not an ISO 639-1 code that is known"
            .replace("'language'", "'lang'")),
    ]  # fmt: skip


def test_files_give_title_language_and_source(tmp_path: Path) -> None:
    (tmp_path / "de.md").write_text(
        "# Bienen\n\nBienen tanzen, um dem Stock zu zeigen, wo die Blumen stehen und wie weit."
    )
    (tmp_path / "zh.txt").write_text("蜜蜂用舞蹈告诉蜂群花在哪里，离蜂巢有多远。")
    found = rows(path=str(tmp_path))
    assert [(r["source"], r["title"], r["language"], r["status"]) for r in found] == [
        ("de.md", "Bienen", "de", "ok"),
        ("zh.txt", "zh", "zh", "ok"),
    ]
    assert found[0]["document_id"] == stable_id("document", found[0]["text"])


CODE = """\
import math

class Circle:
\tdef area(self):
\t\treturn  math.pi * self.radius ** 2

\tdef edge(self):
\t\treturn 2 * math.pi * self.radius
"""
AREA = "class Circle:\n\tdef area(self):\n\t\treturn  math.pi * self.radius ** 2"
EDGE = "class Circle:\n\tdef edge(self):\n\t\treturn 2 * math.pi * self.radius"


def test_source_files_are_cut_into_functions_and_keep_their_layout(tmp_path: Path) -> None:
    (tmp_path / "circle.py").write_text(CODE.replace("\n", "\u200b \r\n"))
    (tmp_path / "zh.txt").write_text("蜜蜂用舞蹈告诉蜂群花在哪里，离蜂巢有多远。")
    found = rows(
        path=str(tmp_path), columns={"id": "key", "title": "name", "text": "body", "language": "lang", "syntax": "code"}
    )
    assert [(r["title"], r["syntax"], r["language"], r["text"], r["ordinal"], r["passages"], r["reason"]) for r in found] == [
        ("circle.py", "python", "und", "import math", 0, 3, "too_short"),
        ("circle.py", "python", "und", AREA, 1, 3, None),
        ("circle.py", "python", "und", EDGE, 2, 3, None),
        ("zh", "", "zh", "蜜蜂用舞蹈告诉蜂群花在哪里，离蜂巢有多远。", 0, 1, None),
    ]  # fmt: skip
    assert [r["id"] for r in found[1:3]] == [stable_id("passage", AREA), stable_id("passage", EDGE)]
    assert {r["document_id"] for r in found[:3]} == {stable_id("document", CODE.strip())}


def test_rows_say_what_is_code_and_what_are_translations(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "d.jsonl",
        {"text": CODE, "language": " Python\n3 ", "of": 7},
        {"text": CODE.replace("area", "size"), "language": "x" * 99, "spoken": "de"},
        {"text": LONG, "language": None, "of": "bees"},
        {"text": f"{LONG} {LONG}", "language": "\u200b", "of": ""},
        {"text": LONG, "language": [1]},
        {"text": LONG, "of": {"a": 1}},
        {"text": LONG, "of": "x" * 1001},
    )  # fmt: skip
    found = rows(path=path, columns={"language": "spoken", "syntax": "language", "parallel": "of"})
    assert [(r["language"], r["syntax"], r["parallel"]) for r in found if not r["reason"]] == [
        ("und", "python 3", "7"),
        ("und", "python 3", "7"),
        ("de", "x" * 50, ""),
        ("en", "", "bees"),
        ("en", "", ""),
    ]
    assert [r["detail"] for r in found[-3:]] == [
        "d.jsonl:5: column 'language' is [1], not a string or number",
        "d.jsonl:6: column 'of' is {'a': 1}, not a string or number",
        "d.jsonl:7: column 'of' is longer than 1000 characters",
    ]


def test_passages_are_numbered_in_their_document(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", {"text": f"{LONG}\n\n{LONG[::-1]}\n\nShort."}, {"text": ""})
    found = rows(path=path, passages={"max_tokens": 20})
    assert [(r["ordinal"], r["passages"], r["reason"]) for r in found] == [
        (0, 3, None), (1, 3, None), (2, 3, "too_short"), (0, 1, "empty"),
    ]  # fmt: skip


def test_a_document_in_two_languages_has_passages_in_each(tmp_path: Path) -> None:
    german = "Bienen tanzen, um dem Stock zu zeigen, wo die Blumen stehen."
    path = jsonl(tmp_path / "d.jsonl", {"text": f"{LONG}\n\n{german}"})
    found = rows(path=path, passages={"max_tokens": 20})
    assert [(r["text"], r["language"]) for r in found] == [(LONG, "en"), (german, "de")]


def test_shards_hold_so_many_passages_and_ids_are_unique(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", *({"text": f"{LONG} {i % 4}"} for i in range(7)))
    tables = list(stage(shard_rows=3, path=path).read())
    assert [table.num_rows for table in tables] == [3, 3, 1]
    assert len({i for table in tables for i in table.column("id").to_pylist()}) == 7
    assert [r["detail"] for r in rows(path=path)[4:]] == [f"of a passage of d.jsonl:{i}" for i in (1, 2, 3)]
    assert len(rows(path=path, limit=2)) == 2


def test_duplicates_are_found_across_files(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(LONG)
    assert [r["detail"] for r in rows(path=str(tmp_path))] == [None, "of a passage of a.txt"]


def test_nothing_to_use_is_an_error_that_counts(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        rows(path=jsonl(tmp_path / "d.jsonl", {"text": ""}, {"text": "Hm."}, {"text": ""}))
    assert error.value.what == (
        f"corpus {tmp_path}/d.jsonl: not one passage can be used"
        "\n  2 empty, first: d.jsonl:1: column 'text' is empty\n  1 too_short, first: 1 tokens, the least is 12"
    )
    with pytest.raises(InputError, match="there are no documents"):
        rows(path=jsonl(tmp_path / "e.jsonl"))


def test_the_fingerprint_sees_what_changes_the_passages(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", {"text": LONG})
    before = stage(path=path).fingerprint
    assert stage(path=path, licence="CC0-1.0").fingerprint == before
    assert stage(path=path, limit=1).fingerprint != before
    os.utime(path, ns=(1, 1))
    assert stage(path=path).fingerprint != before
