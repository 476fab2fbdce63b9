"""What a file may hold, format by format: each reader turns one file into rows, and says why one cannot be read.

With the standard library and pyarrow, so that a bad line costs that line alone and can be named; and with bounds, so
that a lost quote or a small .gz cannot fill the memory. A format is a function here and its endings in `ENDINGS`.
"""

import csv
import gzip
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from synth.errors import InputError
from synth.objects import Object
from synth.plugins import did_you_mean
from synth.visible import one_line


@dataclass(frozen=True)
class Row:
    """One row of a source; a text or source file is one row, with columns `text`, `title` and `syntax`."""

    file: str
    number: int
    """Line or row, from 1, in the file; 0 when the file is the row."""
    values: Mapping[str, Any] | None
    """Null when the row cannot be read."""
    error: str = ""

    @property
    def source(self) -> str:
        return f"{self.file}:{self.number}" if self.number else self.file


@dataclass(frozen=True)
class File:
    path: Path | Object
    name: str
    """Path below the folder that was asked for: what a dataset may say of where it came from."""
    ending: str
    """One of ENDINGS, or another one, which makes the file a row that cannot be read."""

    def open(self) -> IO[bytes]:
        if self.path.suffix.lower() != ".gz":
            return self.path.open("rb")
        return gzip.open(self.path if isinstance(self.path, Path) else self.path.open(), "rb")  # type: ignore[return-value]


Read = Callable[[File, Sequence[str]], Iterator[Row]]

_PEEK = 100
"""Rows of a JSONL file or stream that must show each column at least once: rows may leave null columns out."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_FIELD = 1 << 24
"""Characters of a CSV field. Without a bound, one lost quote makes the rest of the file a field."""
_LONGEST_LINE = 1 << 27
"""Bytes of a line of JSON, characters of a line of CSV, bytes of a text file. A small .gz may unpack to any length."""


def check_columns(where: str, columns: Sequence[str], there: Iterable[str]) -> None:
    there = list(there)
    for column in columns:
        if column not in there:
            raise InputError(
                f"{where}: no column {column!r}{did_you_mean(column, there)} (columns: {one_line(', '.join(there), 500) or 'none'})",
                fix="name the right columns under `columns`, or leave this file out",
            )


def _check_once(where: str, columns: Sequence[str], there: Sequence[str]) -> None:
    if twice := next((column for column in columns or there if there.count(column) > 1), None):
        raise InputError(f"{where}: there are several columns {twice!r}", fix="rename all but one")


def unsupported(file: File, _: Sequence[str]) -> Iterator[Row]:
    yield Row(file.name, 0, None, f"files ending in {file.ending or 'nothing'} cannot be read")


def _parquet(file: File, columns: Sequence[str]) -> Iterator[Row]:
    whole = file.path if isinstance(file.path, Path) else file.path.open(in_order=False)
    with pq.ParquetFile(whole, pre_buffer=False) as source:  # which would hold the columns of all row groups
        check_columns(str(file.path), columns, source.schema_arrow.names)
        _check_once(str(file.path), columns, source.schema_arrow.names)
        columns = list(dict.fromkeys(columns or source.schema_arrow.names))
        number = 0
        for batch in source.iter_batches(batch_size=256, columns=columns):
            for i in range(batch.num_rows):
                number += 1
                try:  # row by row: to_pylist() would lose the batch for one string that is not UTF-8
                    yield Row(file.name, number, {name: batch.column(name)[i].as_py() for name in batch.schema.names})
                except UnicodeDecodeError as error:
                    yield Row(file.name, number, None, _not_utf8(error))
                except (ValueError, OverflowError) as error:  # the year 60000
                    yield Row(file.name, number, None, f"a value that cannot be read: {error}")


def _jsonl(file: File, columns: Sequence[str]) -> Iterator[Row]:
    with file.open() as stream:
        yield from peeked(str(file.path), columns, _json_rows(file, _lines(stream)))


def _lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Yield the lines; null for one that is too long, of which no more than that is held."""
    while line := stream.readline(_LONGEST_LINE + 1):
        whole = line.endswith(b"\n") or len(line) <= _LONGEST_LINE
        yield line if whole else None
        while not whole:
            line = stream.readline(_LONGEST_LINE)
            whole = not line or line.endswith(b"\n")


def _json_rows(file: File, lines: Iterable[bytes | None]) -> Iterator[Row]:
    name = file.name
    for number, line in enumerate(lines, 1):
        if line is None:
            yield Row(name, number, None, f"a line longer than {_LONGEST_LINE:,} bytes")
            continue
        if number == 1:
            _check_not_utf16(file, line)
        if not line.strip():
            continue
        try:
            text = line.rstrip().decode("utf-8-sig" if number == 1 else "utf-8")
            if not text:
                continue  # nothing but a byte order mark
            # NaN, which Python writes and JSON does not have, is what others write as null.
            values = json.loads(text, object_pairs_hook=_object, parse_constant=lambda _: None)
        except UnicodeDecodeError as error:
            yield Row(name, number, None, _not_utf8(error))
        except json.JSONDecodeError as error:
            yield Row(name, number, None, f"not JSON: {error.msg} at column {error.colno}")
        except (ValueError, RecursionError) as error:  # a number of 5000 digits, 1000 brackets
            yield Row(name, number, None, f"not JSON that can be read: {error}")
        else:
            is_row = isinstance(values, dict)
            yield (
                Row(name, number, values, "")
                if is_row
                else Row(name, number, None, f"a JSON {_kind(values)}, not an object")
            )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise ValueError(f"the key {twice!r:.80} stands in it twice")
    return found


def _check_not_utf16(file: File, start: bytes) -> None:
    if start[:2] in _UTF16:
        raise InputError(f"{file.path}: is UTF-16", fix="save it as UTF-8")


def peeked(where: str, columns: Sequence[str], source: Iterator[Row]) -> Iterator[Row]:
    """Check the columns of a source whose rows may each have others, by its first rows."""
    first = list(itertools.islice(source, _PEEK))
    if any(row.values is not None for row in first):
        check_columns(where, columns, dict.fromkeys(key for row in first for key in row.values or ()))
    yield from first
    yield from source


def _csv(file: File, columns: Sequence[str]) -> Iterator[Row]:
    """The header's own separator (comma, semicolon, tab or bar) is the file's."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    with io.TextIOWrapper(file.open(), encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        if not (start := stream.readline(_LONGEST_FIELD)):
            return
        _check_not_utf16(file, start[:2].encode("utf-8", "surrogateescape"))
        separator = max(",;\t|", key=start.count)
        header = next(csv.reader([start], delimiter=separator), [])
        check_columns(str(file.path), columns, header)
        _check_once(str(file.path), columns, header)
        source = csv.reader(_CsvLines(stream), delimiter=separator)
        while True:
            number = source.line_num + 2
            try:
                values = next(source)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(file.name, number, None, f"not CSV: {error}")
                continue
            if len(values) != len(header):
                if values:
                    yield Row(file.name, number, None, f"{len(values)} fields, the header has {len(header)}")
            elif any(re.search("[\udc80-\udcff]", value) for value in values if not value.isascii()):
                yield Row(file.name, number, None, "not UTF-8")
            else:
                yield Row(file.name, number, dict(zip(header, values, strict=True)))


@dataclass(frozen=True)
class _CsvLines:
    """The lines of `stream`. One that is too long is csv's own error, after which the next can be read."""

    stream: IO[str]

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        line = rest = self.stream.readline(_LONGEST_LINE)
        if not line:
            raise StopIteration
        if len(line) < _LONGEST_LINE or line.endswith("\n"):
            return line
        while rest and not rest.endswith("\n"):
            rest = self.stream.readline(_LONGEST_LINE)
        raise csv.Error(f"a line longer than {_LONGEST_LINE:,} characters")


def _text(file: File, columns: Sequence[str]) -> Iterator[Row]:
    check_columns(str(file.path), columns, ("text", "title", "syntax"))
    with file.open() as stream:
        data = stream.read(_LONGEST_LINE + 1)
    if len(data) > _LONGEST_LINE:
        yield Row(file.name, 0, None, f"longer than {_LONGEST_LINE:,} bytes")
        return
    name = file.name.rsplit("/", 1)[-1].removesuffix(".gz").removesuffix(".GZ")
    syntax = SYNTAXES.get(file.ending, "")
    try:
        text = data.decode("utf-16" if data[:2] in _UTF16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        yield Row(file.name, 0, None, _not_utf8(error))
        return
    title = name if syntax else name.rsplit(".", 1)[0]
    if file.ending == ".md":
        text = re.sub(r"\A---\r?\n.*?\n---\s*\n", "", text, flags=re.DOTALL)  # a site generator's settings
        if heading := re.search(r"^#{1,6}[ \t]+(.+)$", text, re.MULTILINE):
            title = heading[1].rstrip(" \t\r#") or title
    yield Row(file.name, 0, {"text": text, "title": title, "syntax": syntax})


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"


def _kind(value: object) -> str:
    kinds = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


SYNTAXES: Mapping[str, str] = {
    ".c": "c", ".cc": "c++", ".cpp": "c++", ".cs": "c#", ".cxx": "c++", ".go": "go", ".h": "c", ".hpp": "c++",
    ".java": "java", ".jl": "julia", ".js": "javascript", ".jsx": "javascript", ".kt": "kotlin", ".lua": "lua",
    ".mjs": "javascript", ".php": "php", ".py": "python", ".r": "r", ".rb": "ruby", ".rs": "rust", ".scala": "scala",
    ".sh": "shell", ".sql": "sql", ".swift": "swift", ".ts": "typescript", ".tsx": "typescript",
}  # fmt: skip
"""Programming languages by the endings of their source files; named as in CodeSearchNet."""
TABLES: Mapping[str, Read] = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv}
ENDINGS: Mapping[str, Read] = {**TABLES, **dict.fromkeys((".txt", ".md", *SYNTAXES), _text)}
WANTED = ".parquet, .jsonl, .csv, .txt, .md, or as source files do, such as .py (or .gz of all but Parquet)"
