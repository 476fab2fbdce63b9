"""Personas of all bad kinds: left out and counted, cleaned, or an InputError that names the file."""
# ruff: noqa: E501 (a case is one line)

import gzip
import json
import logging
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.config import Personas
from synth.engines import Request, Sampling
from synth.errors import InputError
from synth.prompts import Message
from synth.stages.personas import library

COOK, NUN = "A cook in a school kitchen", "A nun who keeps bees"


def line(**values: Any) -> bytes:
    return json.dumps(values).encode()


def read(path: Path, candidates: int = 2) -> list[str]:
    found = library(Personas(path=str(path), licence="CC0-1.0", candidates=candidates))
    for persona in found:  # what would crash the key of a request, or a table
        Request((Message("user", persona),), "{}", Sampling(), 0).key("m")
    pa.array(found, pa.string())
    return found


LEFT_OUT = {
    "no JSON": (b"A cook", "p.jsonl:2: not JSON: Expecting value at column 1"),
    "list": (b'["A cook"]', "p.jsonl:2: a JSON array, not an object"),
    "Latin-1": (b'{"persona": "caf\xe9"}', "p.jsonl:2: not UTF-8: byte 0xe9 at 16"),
    "key twice": (b'{"persona": "a", "persona": "b"}', "p.jsonl:2: not JSON that can be read: the key 'persona' stands in it twice"),
    "other key": (line(person="A cook"), "p.jsonl:2: 'persona' is not a text: None"),
    "null": (line(persona=None), "p.jsonl:2: 'persona' is not a text: None"),
    "NaN": (b'{"persona": NaN}', "p.jsonl:2: 'persona' is not a text: None"),
    "number": (line(persona=7), "p.jsonl:2: 'persona' is not a text: 7"),
    "list of texts": (line(persona=["A cook"]), "p.jsonl:2: 'persona' is not a text: ['A cook']"),
    "empty": (line(persona=""), "p.jsonl:2: 'persona' is not a text: ''"),
    "blank": (line(persona=" \n "), "p.jsonl:2: 'persona' is not a text: ' \\n '"),
    "zero width": (line(persona="\u200b\ufeff"), "p.jsonl:2: 'persona' is not a text: '\\u200b\\ufeff'"),
    "lone surrogate": (b'{"persona": "\\ud800"}', "p.jsonl:2: 'persona' is not a text: '\\ud800'"),
    "NUL": (line(persona="\0"), "p.jsonl:2: 'persona' is not a text: '\\x00'"),
    "long": (line(persona="x" * 2001), "p.jsonl:2: 'persona' has 2,001 characters, the most is 2,000"),
    "10 MB": (line(persona="x" * 10_000_000), "p.jsonl:2: 'persona' has 10,000,000 characters, the most is 2,000"),
    "100,000 brackets": (b'{"persona": ' + b"[" * 100_000, "p.jsonl:2: not JSON that can be read: maximum recursion depth exceeded while decoding a JSON array from a unicode string"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "expected"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_bad_row_is_left_out_and_counted(
    bad: bytes, expected: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\n".join([line(persona=COOK), bad, line(persona=NUN), bad]))
    with caplog.at_level(logging.WARNING):
        assert read(path) == [COOK, NUN]
    assert [record.getMessage() for record in caplog.records] == [f"personas: 2 rows of {path} left out, the first: {expected}"]  # fmt: skip


CLEANED = {
    "half a surrogate": (b'{"persona": "%s\\ud83d"}' % NUN.encode(), NUN),
    "NULs": (line(persona="\0".join(NUN)), NUN),
    "zero width": (line(persona="\u200b".join(NUN)), NUN),
    "override": (line(persona=f"\u202e{NUN}"), NUN),
    "tags": (line(persona=f"{NUN}\U000e0041"), NUN),
    "escapes": (line(persona=f"\x1b{NUN}"), NUN),
    "lines": (line(persona=NUN.replace(" ", "\n\n")), NUN),
    "no break spaces": (line(persona=NUN.replace(" ", "\u00a0\u3000")), NUN),
    "just short enough": (line(persona="x" * 2000), "x" * 2000),
}


@pytest.mark.parametrize(("odd", "expected"), CLEANED.values(), ids=CLEANED)
def test_what_can_be_cleaned_is_kept(odd: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(line(persona=COOK) + b"\r\n" + odd)
    assert read(tmp_path / "p.jsonl") == [COOK, expected]


def parquet(path: Path, **columns: Any) -> None:
    pq.write_table(pa.table(columns), path)


WHOLE = {
    "nowhere": ("p.jsonl", lambda p: None, "personas: p.jsonl: no such file or folder"),
    "pipe": ("p.jsonl", os.mkfifo, "personas: p.jsonl: not a regular file"),
    "folder": ("p.jsonl", Path.mkdir, "personas: p.jsonl: no file in this folder can be read: it is empty"),
    "UTF-16": ("p.jsonl", lambda p: p.write_text('{"persona": "a"}', encoding="utf-16"), "personas: p.jsonl: is UTF-16"),
    "other column": ("p.csv", lambda p: p.write_text("who\nA cook\n"), "personas: p.csv: no column 'persona' (columns: who)"),
    "column twice": ("p.csv", lambda p: p.write_text("persona,persona\na,b\n"), "personas: p.csv: there are several columns 'persona'"),
    "cut gz": ("p.jsonl.gz", lambda p: p.write_bytes(gzip.compress(line(persona=COOK) * 99)[:-9]), "personas: p.jsonl.gz: cannot be read: Compressed file ended"),
    "no Parquet": ("p.parquet", lambda p: p.write_bytes(b"x" * 99), "personas: p.parquet: cannot be read: "),
    "ending": ("p.json", lambda p: p.write_text("[]"), "personas: p.json: files ending in .json cannot be read"),
    "empty": ("p.jsonl", lambda p: p.write_text(""), "personas: p.jsonl has 0 personas in column 'persona', and 2 are to be chosen from"),
    "one": ("p.jsonl", lambda p: p.write_bytes(line(persona=COOK)), "personas: p.jsonl has 1 personas in column 'persona', and 2"),
    "wrong type": ("p.parquet", lambda p: parquet(p, persona=[1, 2, 3]), "personas: p.parquet has 0 personas in column 'persona', and 2 are to be chosen from; of 3 that cannot be used the first is p.parquet:1: 'persona' is not a text: 1"),
    "bytes": ("p.parquet", lambda p: parquet(p, persona=[b"a", b"b"]), "personas: p.parquet has 0 personas in column 'persona', and 2 are to be chosen from; of 2 that cannot be used the first is p.parquet:1: 'persona' is not a text: b'a'"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "make", "expected"), WHOLE.values(), ids=WHOLE)
def test_a_library_that_will_not_do_is_named(name: str, make: Any, expected: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(InputError) as error:
        read(tmp_path / name)
    assert error.value.what.replace(f"{tmp_path}/", "").startswith(expected)
    assert error.value.fix
