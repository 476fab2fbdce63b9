"""Each kind of file, row by row; what is wrong with a row stays with the row."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth import formats, readers
from synth.errors import InputError
from synth.formats import Row


def read(path: Path | str, *columns: str, limit: int | None = None) -> list[Row]:
    return list(readers.rows(path=str(path), columns=columns, limit=limit))


def test_jsonl_names_the_line_of_each_bad_row(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"text": "one"}\n\n{"text": \n[1]\n{"text": "\xe9"}\n{"text": "two", "id": 2}\n')
    assert read(file, "text", "id") == [
        Row("a.jsonl", 1, {"text": "one"}),
        Row("a.jsonl", 3, None, "not JSON: Expecting value at column 9"),
        Row("a.jsonl", 4, None, "a JSON array, not an object"),
        Row("a.jsonl", 5, None, "not UTF-8: byte 0xe9 at 10"),
        Row("a.jsonl", 6, {"text": "two", "id": 2}),
    ]


def test_csv_with_its_own_separator_and_bad_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b'id;text\n1;"two\nlines; one field"\n\n2\n3;caf\xe9\n4;last\n')
    assert read(file, "text") == [
        Row("a.csv", 2, {"id": "1", "text": "two\nlines; one field"}),
        Row("a.csv", 5, None, "1 fields, the header has 2"),
        Row("a.csv", 6, None, "not UTF-8"),
        Row("a.csv", 7, {"id": "4", "text": "last"}),
    ]


def test_csv_goes_on_after_a_field_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_LONGEST_FIELD", 200_000)
    before = csv.field_size_limit(1)
    file = tmp_path / "a.csv"
    file.write_text("text\n" + "x" * 300_000 + "\nshort\n")
    found = read(file, "text")
    csv.field_size_limit(before)
    assert [(row.number, row.error[:7]) for row in found] == [(2, "not CSV"), (3, "")]


def test_parquet_reads_the_columns_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["one", None], "other": [1, 2]}), file)
    assert read(file, "text") == [Row("a.parquet", 1, {"text": "one"}), Row("a.parquet", 2, {"text": None})]


def test_parquet_with_a_string_that_is_not_utf8_costs_its_row(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    broken = pa.array([b"one", b"\xe9", b"two"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": broken}), file)
    assert read(file) == [
        Row("a.parquet", 1, {"text": "one"}),
        Row("a.parquet", 2, None, "not UTF-8: byte 0xe9 at 0"),
        Row("a.parquet", 3, {"text": "two"}),
    ]


def test_a_folder_in_order_with_titles_and_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/x.txt").write_text("hidden")
    (tmp_path / "b.md").write_text("---\nlayout: post\n---\nIntro\n\n## The title ##\nBody")
    (tmp_path / "sub/a.note.TXT").write_text("plain", encoding="utf-16")
    (tmp_path / "c.pdf").write_bytes(b"%PDF")
    (tmp_path / "d.txt").write_bytes(b"caf\xe9")
    (tmp_path / "e.md.gz").write_bytes(gzip.compress(b"zipped"))
    assert read(tmp_path, "text") == [
        Row("b.md", 0, {"text": "Intro\n\n## The title ##\nBody", "title": "The title", "syntax": ""}),
        Row("c.pdf", 0, None, "files ending in .pdf cannot be read"),
        Row("d.txt", 0, None, "not UTF-8: byte 0xe9 at 3"),
        Row("e.md.gz", 0, {"text": "zipped", "title": "e", "syntax": ""}),
        Row("sub/a.note.TXT", 0, {"text": "plain", "title": "a.note", "syntax": ""}),
    ]
    assert [row.source for row in read(f"{tmp_path}/**/*.md*")] == ["b.md", "e.md.gz"]
    assert [row.source for row in read(tmp_path, limit=1)] == ["b.md"]


def test_source_files_say_which_language_they_are_in(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# Not a heading\n")
    (tmp_path / "b.test.TSX.gz").write_bytes(gzip.compress(b"x"))
    (tmp_path / "c.md").write_text("no heading")
    assert [row.values for row in read(tmp_path, "text", "syntax")] == [
        {"text": "# Not a heading\n", "title": "a.py", "syntax": "python"},
        {"text": "x", "title": "b.test.TSX", "syntax": "typescript"},
        {"text": "no heading", "title": "c", "syntax": ""},
    ]


def test_columns_are_those_of_tables_where_files_are_read_whole(tmp_path: Path) -> None:
    for name in ("a.txt", "b.md", "c.rs"):
        (tmp_path / name).write_text("x")
    (tmp_path / "d.csv").write_text("body\nx\n")
    found = list(readers.rows(path=str(tmp_path), columns=["body"], whole_files=True))
    assert [(row.file, row.number) for row in found] == [("a.txt", 0), ("b.md", 0), ("c.rs", 0), ("d.csv", 2)]
    with pytest.raises(InputError, match=r"a\.txt: no column 'body' \(columns: text, title, syntax\)"):
        read(tmp_path, "body")
    with pytest.raises(InputError, match=r"d\.csv: no column 'text'"):
        list(readers.rows(path=str(tmp_path), columns=["text"], whole_files=True))


def test_gzipped_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"text": "one"}\n'))
    assert [row.source for row in read(file)] == ["a.jsonl.gz:1"]


def test_what_is_wrong_with_a_whole_source(tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"title": "t", "body": "b"}\n')
    (tmp_path / "notes.csv").write_text("body\nx\n")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "bad.jsonl.gz").write_bytes(gzip.compress(b'{"text": "one"}\n' * 99)[:-9])
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "empty").mkdir()
    for path, columns, what in (
        ("docs.jsonl", ["bodi"], "docs.jsonl: no column 'bodi'; did you mean 'body'? (columns: title, body)"),
        ("notes.csv", ["text"], "notes.csv: no column 'text' (columns: body)"),
        ("dox.jsonl", [], "dox.jsonl: no such file or folder; did you mean 'docs.jsonl'?"),
        ("empty", [], "empty: no file in this folder can be read: it is empty"),
        ("*.xml", [], "*.xml: no file matches"),
        ("a.pdf", [], "a.pdf: files ending in .pdf cannot be read"),
        ("bad.parquet", [], "bad.parquet: cannot be read: "),
        ("bad.jsonl.gz", [], "bad.jsonl.gz: cannot be read: Compressed file ended"),
    ):
        with pytest.raises(InputError) as error:
            read(tmp_path / path, *columns)
        assert f"{tmp_path}/{what}" in error.value.what
        assert error.value.fix


def test_a_dataset_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": f"t{i}", "n": i}) + "\n" for i in range(3)))
    name = str(tmp_path)
    assert list(readers.rows(dataset=name, columns=("text",), limit=2)) == [
        Row(f"{name}/train", 1, {"text": "t0", "n": 0}),
        Row(f"{name}/train", 2, {"text": "t1", "n": 1}),
    ]
    with pytest.raises(InputError, match="no column 'txt'; did you mean 'text'"):
        list(readers.rows(dataset=name, columns=("txt",)))
    with pytest.raises(InputError, match="validation: cannot be read"):
        list(readers.rows(dataset=name, split="validation"))
