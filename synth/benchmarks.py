"""Benchmarks: which texts the dataset must not hold, and where they are read from. See synth/contamination.py for the rest.

A benchmark is read whole or not at all: one that is read by half keeps out half.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synth import readers
from synth.errors import ConfigError, InputError
from synth.formats import File, Row
from synth.objects import is_url
from synth.secrets import redact
from synth.settings import Strict

Text = Annotated[str, Field(min_length=1)]


class Benchmark(Strict):
    """A benchmark that the dataset must not hold: exactly one of `beir`, `path` and `dataset`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=100)
    """What rejected rows and the card call it."""
    beir: Text | None = None
    """A folder as BEIR has them: corpus.jsonl, queries.jsonl (.gz too) and qrels/*.tsv."""
    path: Text | None = None
    """A .parquet, .jsonl, .csv, .txt or .md file (.gz too, but for Parquet), a folder of them, or a glob; on disk or in a
    store."""
    dataset: Text | None = None
    """Name of a dataset on the Hub, read as a stream."""
    config: str | None = None
    """Configuration of the dataset."""
    split: Text = "test"
    """Split of the dataset."""
    revision: str | None = None
    """Commit, tag or branch of the dataset; a commit makes the run repeatable."""
    columns: list[Text] = Field(["text"], min_length=1)
    """Columns of `path` or `dataset` that hold texts, or lists of texts. Nulls are passed over."""
    corpus: Literal["judged", "all", "none"] = "judged"
    """Passages of a BEIR folder that count: those that the qrels name, all (of MS MARCO, 8.8 million), or none."""
    splits: list[Text] | None = Field(None, min_length=1)
    """Qrels of a BEIR folder that count, with the queries that they name: `[test]` is qrels/test.tsv. All when null; of
    a benchmark that has a training split, null excludes that too."""

    @model_validator(mode="after")
    def _one_source(self) -> "Benchmark":
        given = [key for key in ("beir", "path", "dataset") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"benchmark {self.name!r}: give exactly one of `beir`, `path` and `dataset`, not {' and '.join(given) or 'none'}",
                fix=f"{{name: {self.name}, beir: benchmarks/{self.name}}}",
            )
        belong = {
            "columns": {"path", "dataset"},
            "corpus": {"beir"},
            "splits": {"beir"},
            **{key: {"dataset"} for key in ("config", "split", "revision")},
        }
        for key, kinds in belong.items():
            if key in self.model_fields_set and given[0] not in kinds:
                raise ConfigError(
                    f"benchmark {self.name!r}: `{key}` is for {' and '.join(f'`{kind}`' for kind in sorted(kinds))}, "
                    f"and this one has `{given[0]}`",
                    fix=f"remove `{key}`",
                )
        return self


class Decontamination(Strict):
    """Keep the texts of benchmarks out of passages, queries and positives. Without benchmarks, nothing is rejected."""

    benchmarks: list[Benchmark] = Field([])
    """Each a source of texts that the dataset must not hold."""
    ngram: int = Field(13, ge=4, le=100)
    """Words per n-gram. GPT-3 was decontaminated by 13-grams, and so were the benchmarks that LightOn cleaned."""
    containment: float = Field(0.5, gt=0, le=1)
    """Share of a text's words, within n-grams of one benchmark, from which it is hit."""
    shared_words: int = Field(20, ge=4, le=10_000)
    """Words of a text, within n-grams of one benchmark, from which it is hit, however long it is."""
    shortest: int = Field(4, ge=1, le=100)
    """Words from which a text that is a benchmark's is hit; one fewer will do if it has three letters for each of these.
    Shorter ones ("what is it", "yes") are anybody's, and labels would take all rows of a task with them."""

    @model_validator(mode="after")
    def _fits(self) -> "Decontamination":
        names = Counter(benchmark.name for benchmark in self.benchmarks)
        if twice := next((name for name, number in names.items() if number > 1), None):
            raise ConfigError(f"decontamination: two benchmarks are named {twice!r}", fix="give each a name of its own")
        if self.shared_words < self.ngram:
            raise ConfigError(
                f"decontamination: shared_words ({self.shared_words}) is less than ngram ({self.ngram})",
                fix=f"shared_words: {self.ngram} or more: words are shared in runs of `ngram`",
            )
        return self


def files(benchmark: Benchmark) -> list[File]:
    """Return the files that a benchmark is read from, in order; none for one on the Hub.

    Raises InputError where one is missing.
    """
    if benchmark.path is not None:
        return readers.files(benchmark.path)
    if benchmark.beir is None:
        return []
    if is_url(benchmark.beir):
        raise ConfigError(
            f"benchmark {benchmark.name!r}: a BEIR folder is read from disk, not from {redact(benchmark.beir)}",
            fix="copy the folder to disk, or name its files one by one as `path`, which may be in a store",
        )
    folder = Path(benchmark.beir).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"benchmark {benchmark.name!r}: {folder}: no such folder (looked in {folder.absolute().parent})",
            fix="mend `beir`: it is the folder that holds queries.jsonl",
        )
    parts = ["queries"] if benchmark.corpus == "none" else ["corpus", "queries"]
    return [*(_beir_file(benchmark, folder, part) for part in parts), *_qrels(benchmark, folder)]


def _beir_file(benchmark: Benchmark, folder: Path, part: str) -> File:
    for name in (f"{part}.jsonl", f"{part}.jsonl.gz"):
        if (folder / name).is_file():
            return File(folder / name, name, ".jsonl")
    raise InputError(
        f"benchmark {benchmark.name!r}: {folder} has no {part}.jsonl (nor {part}.jsonl.gz)",
        fix="complete the folder"
        + (", or say `corpus: none` if only the queries are to be kept out" if part == "corpus" else ""),
    )


def _qrels(benchmark: Benchmark, folder: Path) -> list[File]:
    if benchmark.corpus != "judged" and benchmark.splits is None:
        return []
    there = sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))
    wanted = benchmark.splits if benchmark.splits is not None else there
    if missing := next((split for split in wanted if split not in there), None):
        raise InputError(
            f"benchmark {benchmark.name!r}: {folder}/qrels has no {missing}.tsv (there are: {', '.join(there) or 'none'})",
            fix="name splits that are there under `splits`, or complete the folder",
        )
    if not wanted:
        raise InputError(
            f"benchmark {benchmark.name!r}: {folder}/qrels has no .tsv file, so no passage is judged",
            fix="complete the folder, or say `corpus: all` or `corpus: none`",
        )
    # Tabs, a header, one row a line: what the reader of CSV reads, with its checks.
    return [File(folder / "qrels" / f"{split}.tsv", f"qrels/{split}.tsv", ".csv") for split in wanted]


def texts(benchmark: Benchmark, there: Sequence[File] | None = None) -> Iterator[str]:
    """Yield the texts of a benchmark, in order: passages (as such, and after their title), then queries. `there` are its files,
    if they are listed.

    Raises InputError at the first row that cannot be read, and when there is no text: a benchmark that is read by half
    keeps out half. Holds the ids that qrels name, some 100 bytes each.
    """
    there = files(benchmark) if there is None else there
    found = _beir_texts(benchmark, there) if benchmark.beir is not None else _column_texts(benchmark, there)
    first = next(found, None)
    if first is None:
        raise InputError(
            f"benchmark {benchmark.name!r}: there is not one text in it",
            fix="name the right file, and the right columns under `columns`",
        )
    yield from itertools.chain([first], found)


def _column_texts(benchmark: Benchmark, there: Sequence[File]) -> Iterator[str]:
    source = benchmark.model_dump(include={"path", "dataset", "config", "split", "revision"})
    for row in readers.rows(columns=benchmark.columns, found=there, **source):
        values = _values(benchmark, row)
        for column in benchmark.columns:
            value = values.get(column)
            for text in value if isinstance(value, list) else [value]:
                if text is not None:
                    yield from _letters_only(_text(benchmark, row, column, text))


def _beir_texts(benchmark: Benchmark, there: Sequence[File]) -> Iterator[str]:
    found = {file.name.partition(".")[0]: file for file in there}
    queries, passages = None, None
    if judged := [file for file in there if file.name.startswith("qrels/")]:
        columns = ("query-id", "corpus-id")
        pairs = [tuple(_values(benchmark, row)[name] for name in columns) for row in readers.read(judged, columns)]
        queries = {query for query, _ in pairs} if benchmark.splits is not None else None
        passages = {passage for _, passage in pairs} if benchmark.corpus == "judged" else None
    for part, wanted in (("corpus", passages), ("queries", queries)):
        if part not in found:
            continue
        seen: set[str] = set()
        for row in readers.read([found[part]], ["_id", "text"]):
            values = _values(benchmark, row)
            if values.get("_id") is None:
                raise _unreadable(benchmark, row, "it has no `_id`")
            if wanted is not None:
                if (identity := str(values["_id"])) not in wanted:
                    continue
                seen.add(identity)
            text = _text(benchmark, row, "text", values.get("text"))
            title = _text(benchmark, row, "title", values.get("title") or "")
            yield from _letters_only(text)
            if title:
                yield from _letters_only(f"{title} {text}")  # as embedders are given it
        if wanted is not None and len(seen) < len(wanted):
            absent = min(wanted - seen)
            raise InputError(
                f"benchmark {benchmark.name!r}: {found[part].path} lacks {len(wanted) - len(seen):,} of the {len(wanted):,} "
                f"ids that the qrels name, among them {absent!r}",
                fix="is the file whole? If it is so at its source, take these lines out of the qrels",
            )


def _letters_only(text: str) -> Iterator[str]:
    if any(map(str.isalnum, text)):
        yield text


def _values(benchmark: Benchmark, row: Row) -> Mapping[str, Any]:
    if row.values is None:
        raise _unreadable(benchmark, row, row.error)
    return row.values


def _text(benchmark: Benchmark, row: Row, column: str, value: Any) -> str:
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise _unreadable(benchmark, row, f"column {column!r} is {kind}, not a string")
    return value


def _unreadable(benchmark: Benchmark, row: Row, problem: str) -> InputError:
    where = benchmark.path or benchmark.beir or benchmark.dataset
    return InputError(
        f"benchmark {benchmark.name!r}: {where}: {row.source}: {problem}",
        fix="mend that row, or take it out: a benchmark must be read whole",
    )
