"""Runs that name earlier ones: nothing is planned twice, no published query is repeated, and all else is as without."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synth import runs
from synth.config import Config
from synth.errors import InputError
from synth.progress import shown
from synth.settings import parse

SAMPLE = Path("examples/corpus/documents.jsonl").read_text(encoding="utf-8").splitlines()
CONFIG = {
    "tasks": {"retrieval": {"rows_per_passage": 2}},
    "engine": {"kind": "scripted"},
    "embedder": {"kind": "hashing"},
    "score": {"min_cosine": 0.05, "max_rank": 5},
    "negatives": {"per_query": 2},
    "shard_rows": 8,
}


def made(folder: Path, name: str, documents: int, **changes: Any) -> Config:
    corpus = folder / f"{documents}.jsonl"
    if not corpus.exists():  # written anew, it would be another one
        corpus.write_text("\n".join(SAMPLE[:documents]) + "\n", encoding="utf-8")
    columns = {"text": "text", "id": "id", "title": "title", "language": "language"}
    own = {"name": name, "outputs": str(folder / "outputs"), "corpus": {"path": str(corpus), "columns": columns}}
    return parse(Config, CONFIG | own | changes, where="")


def run(config: Config) -> runs.Result:
    with shown() as display:
        return runs.run(config, display)


def rows(result: runs.Result) -> list[dict[str, Any]]:
    files = sorted(result.dataset.glob("data/*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_only_what_is_new_is_planned_and_all_is_searched(tmp_path: Path) -> None:
    first = run(made(tmp_path, "first", 16))
    second = run(made(tmp_path, "second", 24, known=[str(tmp_path / "outputs/first")]))
    whole = run(made(tmp_path, "whole", 24))
    assert (first.account.planned, second.account.planned, whole.account.planned) == (32, 16, 48)
    old, new, all_of_it = ({row["id"]: row for row in rows(result)} for result in (first, second, whole))
    assert old
    assert new
    assert old.keys().isdisjoint(new)
    # A new row is what it would be in a run of everything: ranked among all passages, with negatives from all of them.
    assert {name: row for name, row in all_of_it.items() if name in new} == new
    assert {one for row in new.values() for one in row["negative_ids"]} & {row["passage_id"] for row in old.values()}
    assert runs.verify(made(tmp_path, "second", 24, known=[str(tmp_path / "outputs/first")]))["stages"] == 15


def test_a_query_that_was_published_is_not_repeated(tmp_path: Path) -> None:
    first = run(made(tmp_path, "first", 16))
    # Another seed plans other rows of the same passages; the engine says nearly the same again.
    again = made(tmp_path, "again", 16, seed=1, known=[str(tmp_path / "outputs/first")], dedup={"threshold": 0.3})
    apart = made(tmp_path, "apart", 16, seed=1, dedup={"threshold": 0.3})
    known, unknown = run(again), run(apart)
    published = {row["id"] for row in rows(first)}
    out = runs.rows(again, "dedup", reason="duplicate", status=None, id=None, number=100, seed=0)
    assert {row["detail"].removeprefix("of ") for row in out} & published
    assert known.account.rejected["duplicate"] > unknown.account.rejected.get("duplicate", 0)


def test_nothing_new_is_a_run_without_rows(tmp_path: Path) -> None:
    run(made(tmp_path, "first", 16))
    second = run(made(tmp_path, "second", 16, known=[str(tmp_path / "outputs/first")]))
    assert (second.account.planned, second.summary["rows"]) == (0, 0)
    with shown() as display:
        assert runs.plan(made(tmp_path, "third", 24, known=[str(tmp_path / "outputs/first")]), display).rows == 16


def test_targets_count_the_rows_of_this_run(tmp_path: Path) -> None:
    targets = {"targets": [{"task": "retrieval", "rows": 6}]}
    run(made(tmp_path, "first", 16))
    second = made(tmp_path, "second", 24, known=[str(tmp_path / "outputs/first")], **targets)
    result = run(second)
    assert (result.summary["rows"], result.summary["targets"]["stop"]) == (6, "targets met")
    assert runs.verify(second)["rows"] == 6


@pytest.mark.parametrize("missing", ["run.yaml", "dataset/manifest.json"])
def test_a_run_that_is_not_finished_is_named(tmp_path: Path, missing: str) -> None:
    run(made(tmp_path, "first", 8))
    (tmp_path / "outputs/first" / missing).unlink()
    with pytest.raises(InputError, match=r"known: .*outputs/first: "):
        run(made(tmp_path, "second", 16, known=[str(tmp_path / "outputs/first")]))


def test_where_an_earlier_run_lies_does_not_matter(tmp_path: Path) -> None:
    run(made(tmp_path, "first", 8))
    before = run(made(tmp_path, "second", 16, known=[str(tmp_path / "outputs/first")]))
    (tmp_path / "outputs/first").rename(tmp_path / "moved")
    again = run(made(tmp_path, "second", 16, known=[str(tmp_path / "moved")]))
    assert (again.ran, json.dumps(again.summary["counts"])) == ((), json.dumps(before.summary["counts"]))
