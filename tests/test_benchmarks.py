"""Settings that can be, and benchmarks read whole or not at all."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from synth.benchmarks import Benchmark, Decontamination, files, texts
from synth.errors import ConfigError, InputError
from synth.settings import parse

# Settings.


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (Benchmark, {"name": "a"}, "benchmark 'a': give exactly one of `beir`, `path` and `dataset`, not none"),
        (
            Benchmark,
            {"name": "a", "beir": "x", "dataset": "y"},
            "benchmark 'a': give exactly one of `beir`, `path` and `dataset`, not beir and dataset",
        ),
        (
            Benchmark,
            {"name": "a", "beir": "x", "columns": ["query"]},
            "benchmark 'a': `columns` is for `dataset` and `path`, and this one has `beir`",
        ),
        (Benchmark, {"name": "a", "path": "x", "corpus": "all"}, "benchmark 'a': `corpus` is for `beir`, and this one has `path`"),
        (Benchmark, {"name": "a", "path": "x", "split": "dev"}, "benchmark 'a': `split` is for `dataset`, and this one has `path`"),
        (Benchmark, {"name": "a: b", "path": "x"}, "name: string should match pattern"),
        (Benchmark, {"name": "a", "path": "x", "columns": []}, "columns: list should have at least 1 item"),
        (Benchmark, {"name": "a", "beir": "x", "corpus": "some"}, "corpus: input should be 'judged', 'all' or 'none'"),
        (
            Decontamination,
            {"benchmarks": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]},
            "decontamination: two benchmarks are named 'a'",
        ),
        (Decontamination, {"ngram": 21}, "decontamination: shared_words (20) is less than ngram (21)"),
        (Decontamination, {"containment": 0.0}, "containment: input should be greater than 0"),
        (Decontamination, {"n_gram": 13}, "n_gram: unknown key; did you mean 'ngram'?"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(model: type[BaseModel], data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(model, data, where="")


def test_the_settings_by_default() -> None:
    assert Decontamination().model_dump() == {
        "benchmarks": [],
        "ngram": 13,
        "containment": 0.5,
        "shared_words": 20,
        "shortest": 4,
    }


# Reading.


def jsonl(path: Path, *rows: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return str(path)


def beir(folder: Path) -> Path:
    jsonl(
        folder / "corpus.jsonl",
        {"_id": "d1", "title": "Zips", "text": "Gideon Sundback made the zip."},
        {"_id": "d2", "title": "", "text": "Bees dance."},
        {"_id": "d3", "text": "Nobody asks for this.", "metadata": {}},
        {"_id": 4, "title": "Otters", "text": ""},
    )
    jsonl(
        folder / "queries.jsonl",
        {"_id": "q1", "text": "who made the zip"},
        {"_id": "q2", "text": "why do bees dance"},
        {"_id": "q3", "text": "unjudged"},
    )
    qrels = folder / "qrels"
    qrels.mkdir()
    (qrels / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\t4\t0\n")
    (qrels / "train.tsv").write_text("query-id\tcorpus-id\tscore\r\nq2\td2\t2\r\n")
    return folder


def of_beir(folder: Path, **changes: Any) -> Benchmark:
    return Benchmark(name="zips", beir=str(folder), **changes)


ZIP, ZIP_TITLE = "Gideon Sundback made the zip.", "Zips Gideon Sundback made the zip."
QUERIES = ["who made the zip", "why do bees dance", "unjudged"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, [ZIP, ZIP_TITLE, "Bees dance.", "Otters ", *QUERIES]),
        ({"corpus": "all"}, [ZIP, ZIP_TITLE, "Bees dance.", "Nobody asks for this.", "Otters ", *QUERIES]),
        ({"corpus": "none"}, QUERIES),
        ({"splits": ["train"]}, ["Bees dance.", "why do bees dance"]),
        ({"splits": ["test"], "corpus": "none"}, ["who made the zip"]),
    ],
)
def test_a_beir_folder(tmp_path: Path, changes: dict[str, Any], wanted: list[str]) -> None:
    assert list(texts(of_beir(beir(tmp_path), **changes))) == wanted


def test_the_files_of_a_beir_folder(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    corpus = folder / "corpus.jsonl"
    with gzip.open(folder / "corpus.jsonl.gz", "wb") as packed:
        packed.write(corpus.read_bytes())
    corpus.unlink()
    assert list(texts(of_beir(folder)))[:2] == [ZIP, ZIP_TITLE]
    assert [file.name for file in files(of_beir(folder))] == [
        "corpus.jsonl.gz",
        "queries.jsonl",
        "qrels/test.tsv",
        "qrels/train.tsv",
    ]
    assert [file.name for file in files(of_beir(folder, corpus="all"))] == ["corpus.jsonl.gz", "queries.jsonl"]
    assert files(Benchmark(name="zips", dataset="mteb/zips")) == []


def _remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _add(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).open("a").write(text)


@pytest.mark.parametrize(
    ("spoil", "changes", "message"),
    [
        (_remove("corpus.jsonl"), {}, "{} has no corpus.jsonl (nor corpus.jsonl.gz)"),
        (_remove("queries.jsonl"), {"corpus": "none"}, "{} has no queries.jsonl (nor queries.jsonl.gz)"),
        (lambda _: None, {"splits": ["dev"]}, "{}/qrels has no dev.tsv (there are: test, train)"),
        (
            lambda folder: [path.unlink() for path in (folder / "qrels").iterdir()],
            {},
            "{}/qrels has no .tsv file, so no passage is judged",
        ),
        (_add("qrels/test.tsv", "q1\td9\t1\n"), {}, "{}/corpus.jsonl lacks 1 of the 4 ids that the qrels name, among them 'd9'"),
        (_add("qrels/test.tsv", "q1\td9\n"), {}, "{}: qrels/test.tsv:4: 2 fields, the header has 3"),
        (
            lambda folder: (folder / "qrels/test.tsv").write_text("q1 0 d1 1\n"),
            {},
            "{}/qrels/test.tsv: no column 'query-id' (columns: q1 0 d1 1)",
        ),
        (_add("corpus.jsonl", "{oops\n"), {}, "{}: corpus.jsonl:5: not JSON: Expecting property name"),
        (_add("queries.jsonl", '{"_id": "q4", "text": 4}\n'), {}, "{}: queries.jsonl:4: column 'text' is int, not a string"),
        (_add("queries.jsonl", '{"_id": "q4"}\n'), {}, "{}: queries.jsonl:4: column 'text' is null, not a string"),
        (_add("queries.jsonl", '{"text": "q"}\n'), {}, "{}: queries.jsonl:4: it has no `_id`"),
    ],
)  # fmt: skip
def test_a_beir_folder_that_is_not_whole(
    tmp_path: Path, spoil: Callable[[Path], object], changes: dict[str, Any], message: str
) -> None:
    spoil(beir(tmp_path))
    with pytest.raises(InputError) as error:
        list(texts(of_beir(tmp_path, **changes)))
    assert message.format(tmp_path) in error.value.what
    assert error.value.fix


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"benchmark 'zips': .*/gone: no such folder"):
        files(of_beir(tmp_path / "gone"))


def test_columns_of_files(tmp_path: Path) -> None:
    rows = [
        {"query": "a b", "positive": ["c", "d"], "id": 1},
        {"query": None, "positive": [], "id": 2},
        {"query": "?!", "positive": ["e"], "id": 3},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    jsonl(tmp_path / "a.jsonl", *rows[:1])
    found = texts(Benchmark(name="b", path=str(tmp_path), columns=["query", "positive"]))
    assert list(found) == ["a b", "c", "d", "a b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a"}, "{oops\n"], "benchmark 'b': {0}: b.jsonl:2: not JSON"),
        ([{"text": "a"}, {"text": 1}], "benchmark 'b': {0}: b.jsonl:2: column 'text' is int, not a string"),
        ([{"text": ["a", {}]}], "benchmark 'b': {0}: b.jsonl:1: column 'text' is dict, not a string"),
        ([{"body": "a"}], "{0}: no column 'text' (columns: body)"),
        ([{"text": None}, {"text": " !"}], "benchmark 'b': there is not one text in it"),
        ([], "benchmark 'b': there is not one text in it"),
    ],
)
def test_a_benchmark_is_read_whole_or_not_at_all(tmp_path: Path, rows: list[object], message: str) -> None:
    path = jsonl(tmp_path / "b.jsonl", *rows)
    with pytest.raises(InputError) as error:
        list(texts(Benchmark(name="b", path=path)))
    assert message.format(path) in error.value.what
    assert error.value.fix
