"""Benchmarks in, hashes out: the same bytes each time, in shards of bounded size."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from synth import store
from synth.benchmarks import Benchmark, Decontamination
from synth.contamination import BENCHMARKS, Index, Size
from synth.errors import InputError
from synth.executors import local
from synth.stages import benchmarks
from tests.executors.test_local import Silent


def config(folder: Path, **changes: Any) -> Decontamination:
    """Two benchmarks: 300 texts of 20 words, and one of three."""
    for name, texts in {
        "a": [" ".join(f"{n}w{word}" for word in range(20)) for n in range(300)],
        "b": ["what is it"],
    }.items():
        if not (folder / f"{name}.jsonl").exists():
            (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return Decontamination(
        benchmarks=[Benchmark(name=name, path=str(folder / f"{name}.jsonl")) for name in "ab"], **changes
    )


def test_the_stage_writes_the_hashes_of_each_benchmark(tmp_path: Path) -> None:
    settings = config(tmp_path)
    tables = list(benchmarks.stage(settings).read())
    assert all(table.schema == BENCHMARKS for table in tables)
    assert [table.num_rows for table in tables] == [300 + 300 * 8, 1]
    assert Index.of(tables, settings).sizes() == {"a": Size(300, 0, 2400), "b": Size(0, 1, 0)}


def test_shards_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(tmp_path)
    whole = Index.of(benchmarks.stage(settings).read(), settings)
    monkeypatch.setattr(benchmarks, "_SHARD", 1000)
    tables = list(benchmarks.stage(settings).read())
    assert [table.num_rows for table in tables] == [1000, 1000, 700, 1]
    monkeypatch.setattr("synth.textsign._BATCH", 5000)
    tables = list(benchmarks.stage(settings).read())
    assert len(tables) > 4
    assert Index.of(tables, settings).sizes() == whole.sizes()


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    stage = benchmarks.stage(config(tmp_path))
    for run in ("one", "two"):
        local.run([stage], tmp_path / run, Silent())
    one, two = (store.finished(tmp_path / run / stage.folder, stage) for run in ("one", "two"))
    assert one == two
    assert one.counts == {"ok": 2701}
    assert [file.name for file in one.files] == ["part-00000.parquet", "part-00001.parquet"]
    for file in one.files:
        first, second = ((tmp_path / run / stage.folder / file.name).read_bytes() for run in ("one", "two"))
        assert first == second


def test_without_benchmarks_there_is_nothing_to_do(tmp_path: Path) -> None:
    stage = benchmarks.stage(Decontamination())
    local.run([stage], tmp_path, Silent())
    assert store.is_finished(tmp_path, stage)
    assert list(store.read_parts(tmp_path, stage)) == []


def test_the_fingerprint_sees_what_changes_the_hashes(tmp_path: Path) -> None:
    before = benchmarks.stage(config(tmp_path)).fingerprint
    assert benchmarks.stage(config(tmp_path, containment=0.9, shared_words=50)).fingerprint == before
    assert benchmarks.stage(config(tmp_path, ngram=12)).fingerprint != before
    assert benchmarks.stage(config(tmp_path, shortest=5)).fingerprint != before
    os.utime(tmp_path / "b.jsonl", ns=(1, 1))
    assert benchmarks.stage(config(tmp_path)).fingerprint != before


def test_a_missing_or_broken_benchmark_stops_the_run(tmp_path: Path) -> None:
    settings = config(tmp_path)
    (tmp_path / "b.jsonl").write_text('{"text": "a"}\n{oops\n')
    stage = benchmarks.stage(settings)
    with pytest.raises(InputError, match=r"b\.jsonl:2: not JSON"):
        local.run([stage], tmp_path, Silent())
    assert not store.is_finished(tmp_path, stage)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(InputError, match="no such file"):
        benchmarks.stage(settings)
