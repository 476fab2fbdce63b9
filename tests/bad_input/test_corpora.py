"""Documents of all bad kinds: each costs itself, under a reason that is counted; its neighbours stay.

What is wrong with a whole file or folder is an InputError that names it, at once.
"""
# ruff: noqa: E501 (a case is one line)

import gzip
import json
import os
import resource
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth import formats, readers
from synth.config import Config, Corpus
from synth.errors import InputError
from synth.stages import corpus

BEES = "Bees dance to tell the hive where the flowers are, and how far."
OTTERS = "Otters hold hands while they sleep, so that they do not drift apart."
BEES_ROW, OTTERS_ROW = (BEES, "ok", None), (OTTERS, "ok", None)


def rows(path: Path, **settings: Any) -> list[dict[str, Any]]:
    config: Config = SimpleNamespace(corpus=Corpus(path=str(path), **settings), shard_rows=1000)  # type: ignore[assignment]
    found = [row for table in corpus.stage(config).read() for row in table.to_pylist()]
    assert len({row["id"] for row in found}) == len(found)
    return found


def seen(path: Path, **settings: Any) -> list[tuple[str, str, str | None]]:
    return [(row["text"], row["status"], row["detail"] and f"{row['reason']}: {row['detail']}") for row in rows(path, **settings)]  # fmt: skip


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(InputError) as error:
        rows(path, **settings)
    assert error.value.fix
    return error.value.what.replace(f"{path.parent}/", "")


def line(**values: Any) -> bytes:
    return json.dumps(values).encode()


LINES = {
    "no JSON": (b"Hello", "unreadable: d.jsonl:2: not JSON: Expecting value at column 1"),
    "half": (b'{"text": "Ott', "unreadable: d.jsonl:2: not JSON: Unterminated string starting at at column 10"),
    "two in a line": (line(text=OTTERS) * 2, f"unreadable: d.jsonl:2: not JSON: Extra data at column {len(line(text=OTTERS)) + 1}"),
    "single quotes": (b"{'text': 'a'}", "unreadable: d.jsonl:2: not JSON: Expecting property name enclosed in double quotes at column 2"),
    "trailing comma": (b'{"text": "a",}', "unreadable: d.jsonl:2: not JSON: Expecting property name enclosed in double quotes at column 14"),
    "array": (b"[1, 2]", "unreadable: d.jsonl:2: a JSON array, not an object"),
    "string": (b'"text"', "unreadable: d.jsonl:2: a JSON string, not an object"),
    "number": (b"17", "unreadable: d.jsonl:2: a JSON number, not an object"),
    "boolean": (b"true", "unreadable: d.jsonl:2: a JSON boolean, not an object"),
    "null": (b"null", "unreadable: d.jsonl:2: a JSON null, not an object"),
    "NaN": (b"NaN", "unreadable: d.jsonl:2: a JSON null, not an object"),
    "NaN as text": (b'{"text": NaN}', "empty: d.jsonl:2: column 'text' is null"),
    "infinity as text": (b'{"text": -Infinity}', "empty: d.jsonl:2: column 'text' is null"),
    "5,000 digits": (b'{"text": ' + b"1" * 5000 + b"}", "unreadable: d.jsonl:2: not JSON that can be read: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit"),
    "huge number": (b'{"text": 1e999}', "unreadable: d.jsonl:2: column 'text' is float, not a string"),
    "1,000 brackets": (b"[" * 1000, "unreadable: d.jsonl:2: not JSON"),
    "100,000 brackets": (b'{"text":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "unreadable: d.jsonl:2: not JSON that can be read: maximum recursion depth exceeded"),
    "text twice": (b'{"text": "a", "text": "b"}', "unreadable: d.jsonl:2: not JSON that can be read: the key 'text' stands in it twice"),
    "key twice inside": (b'{"text": "a", "m": {"k": 1, "k": 2}}', "unreadable: d.jsonl:2: not JSON that can be read: the key 'k' stands in it twice"),
    "Latin-1": (b'{"text": "caf\xe9"}', "unreadable: d.jsonl:2: not UTF-8: byte 0xe9 at 13"),
    "half a character": (b'{"text": "\xf0\x9f"}', "unreadable: d.jsonl:2: not UTF-8: byte 0xf0 at 10"),
    "surrogate in UTF-8": (b'{"text": "\xed\xa0\x80"}', "unreadable: d.jsonl:2: not UTF-8: byte 0xed at 10"),
    "overlong": (b'{"text": "\xc0\xaf"}', "unreadable: d.jsonl:2: not UTF-8: byte 0xc0 at 10"),
    "byte order mark inside": (b'\xef\xbb\xbf{"text": "a"}', "unreadable: d.jsonl:2: not JSON"),
    "NUL bytes": (b"\0" * 100, "unreadable: d.jsonl:2: not JSON: Expecting value at column 1"),
    "raw NUL in a string": (b'{"text": "a\0b"}', "unreadable: d.jsonl:2: not JSON: Invalid control character at at column 12"),
    "no text": (b'{"txt": "a"}', "empty: d.jsonl:2: column 'text' is null"),
    "empty object": (b"{}", "empty: d.jsonl:2: column 'text' is null"),
    "null text": (line(text=None), "empty: d.jsonl:2: column 'text' is null"),
    "empty text": (line(text=""), "empty: d.jsonl:2: column 'text' is empty"),
    "blank text": (line(text=" \n\t\r\n"), "empty: d.jsonl:2: column 'text' is empty"),
    "only zero width": (line(text="\u200b\u2060\ufeff\u200d"), "empty: d.jsonl:2: column 'text' is empty"),
    "only lone surrogates": (b'{"text": "\\udfff\\ud800\\ud83d"}', "empty: d.jsonl:2: column 'text' is empty"),
    "only NULs": (line(text="\0\0"), "empty: d.jsonl:2: column 'text' is empty"),
    "only overrides": (line(text="\u202e\u2066\u200f"), "empty: d.jsonl:2: column 'text' is empty"),
    "only tags": (line(text="\U000e0041\U000e007f"), "empty: d.jsonl:2: column 'text' is empty"),
    "list of texts": (line(text=[BEES]), "unreadable: d.jsonl:2: column 'text' is list, not a string"),
    "object as text": (line(text={"a": 1}), "unreadable: d.jsonl:2: column 'text' is dict, not a string"),
    "number as text": (line(text=5), "unreadable: d.jsonl:2: column 'text' is int, not a string"),
    "boolean as text": (line(text=False), "unreadable: d.jsonl:2: column 'text' is bool, not a string"),
    "one word": (line(text="Bees."), "too_short: 2 tokens, the least is 12"),
    "the same in other letters": (line(text=f"  {BEES.upper()}\u200b"), "duplicate: of a passage of d.jsonl:1"),
    "too long": (line(text="Bees dance. " * 100_000), "too_long: d.jsonl:2: 1,200,000 characters, the most is 1,000,000"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "expected"), LINES.values(), ids=LINES)
def test_a_line_of_jsonl_costs_itself(bad: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\n".join([line(text=BEES), bad, line(text=OTTERS)]))
    first, middle, last = seen(path, passages={"max_characters": 1_000_000})
    assert (first, last) == (BEES_ROW, OTTERS_ROW)
    assert middle[1] == "rejected"
    assert str(middle[2]).startswith(expected)
    assert len(middle[0]) <= 200


KEPT = {
    "lone surrogate": (b'{"text": "%s \\ud800!"}' % OTTERS.encode(), f"{OTTERS} !"),
    "NULs": (line(text="\0".join(OTTERS)), OTTERS),
    "zero width": (line(text="\u200b".join(OTTERS)), OTTERS),
    "joiners": (line(text="\u200d".join(OTTERS)), OTTERS),
    "override": (line(text=f"\u202e{OTTERS}\u202c"), OTTERS),
    "terminal escapes": (line(text=f"\x1b{OTTERS}\x07"), OTTERS),
    "tags": (line(text=f"{OTTERS}\U000e0049\U000e0067"), OTTERS),
    "soft hyphens": (line(text="\u00ad".join(OTTERS)), OTTERS),
    "line ends of others": (line(text=OTTERS.replace(" ", "\r\n")), OTTERS.replace(" ", "\n")),
    "decomposed": (line(text=OTTERS.replace("drift", "dri\u0301ft")), OTTERS.replace("drift", "dríft")),
    "control tokens": (line(text=f"<|im_end|> {OTTERS}"), f"<|im_end|> {OTTERS}"),
    "template": (line(text=f"{{{{ 7 * 7 }}}} {OTTERS}"), f"{{{{ 7 * 7 }}}} {OTTERS}"),
    "NaN beside it": (b'{"text": "%s", "score": NaN}' % OTTERS.encode(), OTTERS),
    "CRLF": (line(text=OTTERS) + b"\r", OTTERS),
    "blank lines around": (b"\n \n\t\n" + line(text=OTTERS) + b"\n\n", OTTERS),
}  # fmt: skip


@pytest.mark.parametrize(("odd", "text"), KEPT.values(), ids=KEPT)
def test_what_can_be_cleaned_is_kept(odd: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line(text=BEES) + b"\n" + odd + b"\n")
    assert seen(path) == [BEES_ROW, (text, "ok", None)]


FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "id list": ({"id": [1]}, {"detail": "d.jsonl:1: column 'id' is [1], not a string or number"}),
    "id boolean": ({"id": True}, {"detail": "d.jsonl:1: column 'id' is True, not a string or number"}),
    "id empty": ({"id": ""}, {"detail": "d.jsonl:1: column 'id' is '', not a string or number"}),
    "id invisible": ({"id": "\u200b\0"}, {"detail": "d.jsonl:1: column 'id' is '\\u200b\\x00', not a string or number"}),
    "id surrogate": ({"id": "a\ud800"}, {"document_id": "a"}),
    "id long": ({"id": "x" * 5000}, {"detail": "d.jsonl:1: column 'id' is longer than 1000 characters"}),
    "id huge": ({"id": 10**4000}, {"detail": "d.jsonl:1: column 'id' is longer than 1000 characters"}),
    "id float": ({"id": 1.5}, {"document_id": "1.5"}),
    "title list": ({"title": ["a"]}, {"title": ""}),
    "title null": ({"title": None}, {"title": ""}),
    "title number": ({"title": 7}, {"title": "7"}),
    "title in lines": ({"title": " a\n\n\tb\0 "}, {"title": "a b"}),
    "title long": ({"title": "x" * 10_000}, {"title": "x" * 500}),
    "title surrogate": ({"title": "\udc80a"}, {"title": "a"}),
    "language null": ({"language": None}, {"language": "en"}),
    "language empty": ({"language": " "}, {"language": "en"}),
    "language unknown": ({"language": "klingon"}, {"detail": "d.jsonl:1: column 'language' is 'klingon', not an ISO 639-1 code that is known"}),
    "language number": ({"language": 5}, {"detail": "d.jsonl:1: column 'language' is 5, not an ISO 639-1 code that is known"}),
    "language list": ({"language": ["en"]}, {"detail": "d.jsonl:1: column 'language' is ['en'], not an ISO 639-1 code that is known"}),
    "language surrogate": ({"language": "\ud800"}, {"detail": "d.jsonl:1: column 'language' is '\\ud800', not an ISO 639-1 code that is known"}),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), FIELDS.values(), ids=FIELDS)
def test_other_columns(fields: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(
        line(text=BEES, **{"id": "a", "title": "t", "language": "en", **fields}) + b"\n" + line(text=OTTERS, id="b")
    )
    first, second = rows(path, columns={"id": "id", "title": "title", "language": "language"})
    assert {key: first[key] for key in expected} == expected
    assert (first["status"] == "rejected") == ("detail" in expected)
    assert (second["text"], second["status"], second["document_id"]) == (OTTERS, "ok", "b")


def test_documents_that_share_an_id_both_stay_and_rows_never_do(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    texts = [BEES, OTTERS, BEES, "", "Too short.", OTTERS, "Too short."]
    path.write_bytes(b"\n".join(line(text=text, id="same") for text in texts))
    found = rows(path, columns={"id": "id"})
    assert [(row["document_id"], row["reason"]) for row in found] == [
        ("same", None), ("same", None), ("same", "duplicate"), ("same", "empty"),
        ("same", "too_short"), ("same", "duplicate"), ("same", "too_short"),
    ]  # fmt: skip


def pandas_nan(tmp_path: Path) -> Path:
    path = tmp_path / "d.parquet"
    pq.write_table(pa.table({"id": [float("nan"), float("inf")], "text": [BEES, OTTERS]}), path)
    return path


def test_an_id_that_pandas_lost_is_none_given(tmp_path: Path) -> None:
    found = rows(pandas_nan(tmp_path), columns={"id": "id"})
    assert [row["status"] for row in found] == ["ok", "ok"]
    assert len({row["document_id"] for row in found} - {"nan", "inf"}) == 2


TYPES = {
    "binary": (pa.array([BEES.encode()], pa.binary()), "unreadable: a.parquet:1: column 'text' is bytes, not a string"),
    "list": (pa.array([[BEES]]), "unreadable: a.parquet:1: column 'text' is list, not a string"),
    "struct": (pa.array([{"a": BEES}]), "unreadable: a.parquet:1: column 'text' is dict, not a string"),
    "map": (pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())), "unreadable: a.parquet:1: column 'text' is list, not a string"),
    "int": (pa.array([5]), "unreadable: a.parquet:1: column 'text' is int, not a string"),
    "float": (pa.array([float("nan")]), "unreadable: a.parquet:1: column 'text' is float, not a string"),
    "bool": (pa.array([True]), "unreadable: a.parquet:1: column 'text' is bool, not a string"),
    "date": (pa.array([1], pa.date32()), "unreadable: a.parquet:1: column 'text' is date, not a string"),
    "far time": (pa.array([2**60], pa.timestamp("us")), "unreadable: a.parquet:1: a value that cannot be read: "),
    "null": (pa.nulls(1), "empty: a.parquet:1: column 'text' is null"),
    "not UTF-8": (pa.array([b"\xff"], pa.binary()).view(pa.string()), "unreadable: a.parquet:1: not UTF-8: byte 0xff at 0"),
    "large_string": (pa.array([OTTERS], pa.large_string()), None),
    "string_view": (pa.array([OTTERS], pa.string_view()), None),
    "dictionary": (pa.array([OTTERS]).dictionary_encode(), None),
}  # fmt: skip


@pytest.mark.parametrize(("column", "expected"), TYPES.values(), ids=TYPES)
def test_parquet_of_another_type_beside_a_good_file(column: pa.Array, expected: str | None, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": column, "more": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": [BEES]}), tmp_path / "b.parquet")
    first, second = seen(tmp_path)
    assert second == BEES_ROW
    if expected is None:
        assert first == OTTERS_ROW
    else:
        assert first[:2] == ("", "rejected")
        assert str(first[2]).startswith(expected)


def parquet(folder: Path) -> bytes:
    pq.write_table(pa.table({"text": [OTTERS] * 3}), folder / "x.parquet")
    data = (folder / "x.parquet").read_bytes()
    (folder / "x.parquet").unlink()
    return data


def renamed(folder: Path, **columns: Any) -> bytes:
    pq.write_table(pa.table(columns), folder / "x.parquet")
    data = (folder / "x.parquet").read_bytes()
    (folder / "x.parquet").unlink()
    return data


def twice(folder: Path) -> bytes:
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), folder / "x.parquet")
    data = (folder / "x.parquet").read_bytes()
    (folder / "x.parquet").unlink()
    return data


GZ = gzip.compress(line(text=OTTERS) * 100)
WHOLE = {
    "renamed column": ("b.parquet", lambda f: renamed(f, body=["x"]), "b.parquet: no column 'text' (columns: body)"),
    "other case": ("b.parquet", lambda f: renamed(f, Text=["x"]), "b.parquet: no column 'text'; did you mean 'Text'? (columns: Text)"),
    "column twice": ("b.parquet", twice, "b.parquet: there are several columns 'text'"),
    "cut Parquet": ("b.parquet", lambda f: parquet(f)[:-20], "b.parquet: cannot be read: "),
    "only a head": ("b.parquet", lambda f: b"PAR1", "b.parquet: cannot be read: "),
    "empty Parquet": ("b.parquet", lambda f: b"", "b.parquet: cannot be read: "),
    "encrypted": ("b.parquet", lambda f: b"PARE" + parquet(f)[4:-4] + b"PARE", "b.parquet: cannot be read: "),
    "CSV called Parquet": ("b.parquet", lambda f: b"text\n" + b"x" * 99, "b.parquet: cannot be read: "),
    "flipped footer": ("b.parquet", lambda f: parquet(f)[:-30] + b"\xff" * 22 + parquet(f)[-8:], "b.parquet: cannot be read: "),
    "cut gz": ("b.jsonl.gz", lambda f: GZ[:-9], "b.jsonl.gz: cannot be read: Compressed file ended before the end-of-stream marker was reached"),
    "no gz": ("b.jsonl.gz", lambda f: line(text=OTTERS), "b.jsonl.gz: cannot be read: Not a gzipped file (b'{\"')"),
    "flipped gz": ("b.jsonl.gz", lambda f: GZ[:20] + bytes([GZ[20] ^ 255]) + GZ[21:], "b.jsonl.gz: cannot be read: "),
    "wrong checksum": ("b.csv.gz", lambda f: gzip.compress(b"text\nx\n")[:-8] + b"\0" * 8, "b.csv.gz: cannot be read: CRC check failed"),
    "UTF-16 lines": ("b.jsonl", lambda f: line(text=OTTERS).decode().encode("utf-16"), "b.jsonl: is UTF-16"),
    "UTF-16 CSV": ("b.csv", lambda f: "text\na\n".encode("utf-16"), "b.csv: is UTF-16"),
    "other keys": ("b.jsonl", lambda f: b'{"body": "x"}\n', "b.jsonl: no column 'text' (columns: body)"),
    "no header": ("b.csv", lambda f: b"1,2,3\n4,5,6\n", "b.csv: no column 'text' (columns: 1, 2, 3)"),
    "empty header": ("b.csv", lambda f: b"\na,b\n", "b.csv: no column 'text' (columns: none)"),
    "header twice": ("b.csv", lambda f: b"text,id,text\na,b,c\n", "b.csv: there are several columns 'text'"),
    "header of NULs": ("b.csv", lambda f: b"te\0xt\na\n", "b.csv: no column 'text'; did you mean 'te\\x00xt'? (columns: te\\x00xt)"),
    "PDF called CSV": ("b.csv", lambda f: b"%PDF-1.7\n\xe2\xe3\n", "b.csv: no column 'text' (columns: %PDF-1.7)"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "expected"), WHOLE.values(), ids=WHOLE)
def test_what_is_wrong_with_a_whole_file_names_it(name: str, data: Any, expected: str, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(line(text=BEES))
    (folder / name).write_bytes(data(tmp_path))
    assert refusal(folder).startswith(f"docs/{expected}")


EMPTY = {
    "no rows of Parquet": ("b.parquet", lambda f: renamed(f, text=pa.array([], pa.string()))),
    "empty JSONL": ("b.jsonl", lambda f: b""),
    "blank JSONL": ("b.jsonl", lambda f: b"\n\r\n  \n"),
    "only a mark": ("b.jsonl", lambda f: b"\xef\xbb\xbf\n"),
    "empty CSV": ("b.csv", lambda f: b""),
    "only a header": ("b.csv", lambda f: b"text\r\n"),
    "blank CSV": ("b.csv", lambda f: b"text\n\n\n\n"),
    "empty gz": ("b.jsonl.gz", lambda f: gzip.compress(b"")),
    "hidden": (".b.jsonl", lambda f: b"junk"),
}


@pytest.mark.parametrize(("name", "data"), EMPTY.values(), ids=EMPTY)
def test_a_file_without_rows_harms_nobody(name: str, data: Any, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(line(text=BEES))
    (folder / name).write_bytes(data(tmp_path))
    assert seen(folder) == [BEES_ROW]


def test_parquet_without_row_groups(tmp_path: Path) -> None:
    pq.ParquetWriter(tmp_path / "b.parquet", pa.schema([("text", pa.string())])).close()
    (tmp_path / "c.txt").write_text(BEES)
    assert pq.ParquetFile(tmp_path / "b.parquet").num_row_groups == 0
    assert seen(tmp_path) == [BEES_ROW]


RECORDS = {
    "too few": (b"1", "unreadable: d.csv:3: 1 fields, the header has 2"),
    "too many": (b"1,a,b,c", "unreadable: d.csv:3: 4 fields, the header has 2"),
    "Latin-1": (b"1,caf\xe9", "unreadable: d.csv:3: not UTF-8"),
    "Latin-1 in another column": (b"\xe9," + OTTERS.replace(",", "").encode(), "unreadable: d.csv:3: not UTF-8"),
    "quote after text": (b'1,"a"b,c', "unreadable: d.csv:3: 3 fields, the header has 2"),
    "huge field": (b"1," + b"x" * 17_000_000, "unreadable: d.csv:3: not CSV: field larger than field limit (16777216)"),
    "empty text": (b"1,", "empty: d.csv:3: column 'text' is empty"),
    "NULs": (b"1,\0\0\0", "empty: d.csv:3: column 'text' is empty"),
    "spaces": (b"1,   ", "empty: d.csv:3: column 'text' is empty"),
    "null in words": (b"1,NULL", "too_short: 1 tokens, the least is 12"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "expected"), RECORDS.values(), ids=RECORDS)
def test_a_record_of_csv_costs_itself(bad: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(b"\n".join([b"id,text", b'0,"%s"' % BEES.encode(), bad, b'2,"%s"' % OTTERS.encode(), b""]))
    first, middle, last = seen(path)
    assert (first, last) == (BEES_ROW, OTTERS_ROW)
    assert (middle[1], middle[2]) == ("rejected", expected)


def test_an_open_quote_takes_the_rest_and_not_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(f'text;id\n"{BEES}";1\n"{OTTERS};2\nmore;3\n')
    first, rest = seen(tmp_path / "d.csv")
    assert first == BEES_ROW
    assert rest[1:] == ("rejected", "unreadable: d.csv:3: 1 fields, the header has 2")


FOLDERS = {
    "empty": (lambda f: None, "docs: no file in this folder can be read: it is empty"),
    "only hidden": (lambda f: (f / ".a.txt").write_text(BEES), "docs: no file in this folder can be read: it is empty"),
    "only others": (lambda f: (f / "a.pdf").write_bytes(b"%PDF"), "docs: no file in this folder can be read; endings there: .pdf"),
    "only folders": (lambda f: (f / "a.txt").mkdir(), "docs: no file in this folder can be read: it is empty"),
    "dangling link": (lambda f: (f / "a.txt").symlink_to("gone"), "docs/a.txt: cannot be read: No such file or directory"),
    "link to itself": (lambda f: (f / "a.txt").symlink_to("a.txt"), "docs/a.txt: cannot be read: Too many levels of symbolic links"),
    "pipe": (lambda f: os.mkfifo(f / "a.txt"), "docs/a.txt: not a regular file"),
    "pipe of lines": (lambda f: os.mkfifo(f / "a.jsonl.gz"), "docs/a.jsonl.gz: not a regular file"),
    "link to a device": (lambda f: (f / "a.txt").symlink_to("/dev/zero"), "docs/a.txt: not a regular file"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_will_not_do(make: Any, expected: str, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    make(folder)
    assert refusal(folder) == expected


PATHS = {
    "nowhere": ("nowhere.jsonl", "nowhere.jsonl: no such file or folder"),
    "no match": ("*.xml", "*.xml: no file matches"),
    "too long": ("x" * 300, "x" * 300 + ": cannot be read: File name too long"),
    "nobody's home": ("~nobody-of-that-name/x.txt", "~nobody-of-that-name/x.txt: cannot be read: Could not determine home directory."),
    "NUL": ("a\0b", "a\0b: no such file or folder"),
    "below a file": ("d.txt/x.txt", "d.txt/x.txt: no such file or folder"),
    "no ending": ("d", "d: files ending in nothing cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "expected"), PATHS.values(), ids=PATHS)
def test_a_path_that_will_not_do(path: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.txt").write_text(BEES)
    (tmp_path / "d").write_text(BEES)
    with pytest.raises(InputError) as error:
        readers.files(path)
    assert error.value.what.startswith(expected)


def test_a_link_to_a_folder_above_gives_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    (tmp_path / "sub" / "a.txt").write_text(BEES)
    (tmp_path / "b.txt").write_text(OTTERS)
    assert seen(tmp_path) == [OTTERS_ROW, BEES_ROW]
    assert seen(tmp_path / "**" / "*.txt") == [OTTERS_ROW, BEES_ROW]


def test_names_that_are_not_utf8_stay_apart(tmp_path: Path) -> None:
    for name in (b"caf\xe9.txt", b"caf\xe8.txt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("Too short.")
    (tmp_path / "ok.txt").write_text(BEES)
    assert [(row["source"], row["reason"]) for row in rows(tmp_path)] == [
        ("caf\\xe8.txt", "too_short"), ("caf\\xe9.txt", "too_short"), ("ok.txt", None),
    ]  # fmt: skip


TEXTS = {
    "Latin-1": (b"caf\xe9", "unreadable: a.txt: not UTF-8: byte 0xe9 at 3"),
    "half UTF-16": (b"\xff\xfea", "unreadable: a.txt: not UTF-8: byte 0x61 at 2"),
    "lone surrogate in UTF-16": (b"\xff\xfe\x00\xd8a\x00", "unreadable: a.txt: not UTF-8: byte 0x00 at 2"),
    "empty": (b"", "empty: a.txt: column 'text' is empty"),
    "newlines": (b"\n" * 1_000_000, "empty: a.txt: column 'text' is empty"),
    "NULs": (b"\0" * 1000, "empty: a.txt: column 'text' is empty"),
    "ELF": (b"\x7fELF\x02\x01\x01\x80", "unreadable: a.txt: not UTF-8: byte 0x80 at 7"),
}


@pytest.mark.parametrize(("data", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_text_file_costs_itself(data: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "b.txt").write_text(BEES)
    first, second = seen(tmp_path)
    assert (first[1], first[2], second) == ("rejected", expected, BEES_ROW)


SOURCES = {
    "ELF": (b"\x7fELF\x02\x01\x01\x80", ["unreadable: a.py: not UTF-8: byte 0x80 at 7"]),
    "empty": (b"\n\t\n", ["empty: a.py: column 'text' is empty"]),
    "only overrides": ("\u202e\u2066".encode(), ["empty: a.py: column 'text' is empty"]),
    "one word": (b"pass", ["too_short: 1 tokens, the least is 12"]),
    "too long": (b"x = 1\n" * 200_000, ["too_long: a.py: 1,200,000 characters, the most is 1,000,000"]),
    "a function twice": (b"def f():\n    return [1, 2, 3, 4, 5, 6]\n\n" * 2, [None, "duplicate: of a passage of a.py"]),
    "hidden text": ("def f():\n    return [1, 2, 3,\u200b\U000e0041 4, 5, 6]\n".encode(), [None]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), SOURCES.values(), ids=SOURCES)
def test_a_source_file_costs_itself(data: bytes, expected: list[str | None], tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(data)
    (tmp_path / "b.jsonl").write_bytes(line(body=BEES))
    *found, last = seen(tmp_path, columns={"text": "body"}, passages={"max_characters": 1_000_000})
    assert ([detail for _, _, detail in found], last) == (expected, BEES_ROW)
    assert all(text.isprintable() for passage, _, _ in found for text in passage.split("\n"))


def test_50_mb_in_one_document_cost_that_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 50_000_000)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(line(text="x" * 50_000_000) + b"\n" + line(text=OTTERS), 1))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"text\n" + b"x" * 50_000_000 + b'\n"%s"\n' % BEES.encode(), 1))
    assert (tmp_path / "b.jsonl.gz").stat().st_size < 300_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert seen(tmp_path) == [
        ("x" * 200, "rejected", "too_long: a.txt: 50,000,000 characters, the most is 10,000,000"),
        ("x" * 200, "rejected", "too_long: b.jsonl.gz:1: 50,000,000 characters, the most is 10,000,000"),
        OTTERS_ROW,
        ("", "rejected", "unreadable: c.csv.gz:2: not CSV: field larger than field limit (16777216)"),
        BEES_ROW,
    ]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # KiB


def test_a_line_without_end_is_never_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_LONGEST_LINE", 1000)
    (tmp_path / "a.jsonl").write_bytes(line(text="x" * 5000) + b"\n" + line(text=BEES) + b"\n" + b"x" * 1001)
    (tmp_path / "b.csv").write_bytes(b'text\n"' + b"x" * 5000 + b'"\n"%s"\n' % OTTERS.encode())
    (tmp_path / "c.txt").write_bytes(b"x" * 1001)
    assert [detail for _, _, detail in seen(tmp_path)] == [
        "unreadable: a.jsonl:1: a line longer than 1,000 bytes",
        None,
        "unreadable: a.jsonl:3: a line longer than 1,000 bytes",
        "unreadable: b.csv:2: not CSV: a line longer than 1,000 characters",
        None,
        "unreadable: c.txt: longer than 1,000 bytes",
    ]


def test_the_whole_table_adds_up_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(line(text=BEES) + b"\n" + b"\n".join(bad for bad, _ in LINES.values()) + b"\n" + line(text=OTTERS))
    counted = Counter(row["reason"] for row in rows(path, passages={"max_characters": 1_000_000}))
    expected = Counter(reason.partition(":")[0] for _, reason in LINES.values())
    assert counted == {None: 2, **expected}
