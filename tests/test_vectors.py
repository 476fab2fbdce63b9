"""What is remembered of embedders and rerankers: nothing is computed twice, by whichever stage or run."""

import itertools
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth import runs, vectors
from synth.config import Config
from synth.errors import ModelError
from synth.index import PassageIndex
from synth.progress import shown
from synth.settings import parse
from synth.stage import Workspace
from tests import counted_encoder, counted_reranker
from tests.counted_encoder import CountedEncoder
from tests.counted_reranker import CountedReranker

CONFIG = {
    "name": "run",
    "corpus": {
        "path": "examples/corpus/documents.jsonl",
        "columns": {"text": "text", "title": "title", "id": "id", "language": "language"},
    },
    "tasks": {"retrieval": {}, "sts": {}},
    "engine": {"kind": "scripted"},
    "embedder": {"kind": "tests.counted_encoder"},
    "reranker": {"kind": "tests.counted_reranker"},
    "shard_rows": 30,
}


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    counted_encoder.ASKED.clear()
    counted_reranker.ASKED.clear()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "stage", tmp_path, None)  # type: ignore[arg-type]


def opened(workspace: Workspace, **settings: Any) -> Any:
    return vectors.opened(counted_encoder.Settings(kind="tests.counted_encoder", **settings), workspace)


def test_each_text_of_a_side_is_embedded_once_by_all_who_open_it(workspace: Workspace) -> None:
    with opened(workspace) as encoder:
        first = encoder.queries(["b", "a", "b"])
        assert encoder.queries([]).shape == (0, 64)
        assert encoder.model == "hashing-64"
    with opened(Workspace(workspace.run / "other", workspace.run, None)) as encoder:  # type: ignore[arg-type]
        again = encoder.queries(["a", "c", "b"])
        encoder.documents(["a"])
    assert counted_encoder.ASKED == [("query", "b"), ("query", "a"), ("query", "c"), ("document", "a")]
    np.testing.assert_array_equal(first[[1, 0]], again[[0, 2]])
    np.testing.assert_array_equal(first[0], first[2])
    assert again.dtype == np.float32


def test_other_settings_share_nothing_and_no_cache_keeps_nothing(workspace: Workspace) -> None:
    for dimensions in (8, 16):
        with opened(workspace, dimensions=dimensions) as encoder:
            assert encoder.queries(["a"]).shape == (1, dimensions)
    assert len(list((workspace.run / "vectors").glob("*.sqlite"))) == 2
    with opened(workspace, dimensions=32, cache=False) as encoder:
        encoder.queries(["a"])
        encoder.queries(["a"])
    assert counted_encoder.ASKED == [("query", "a")] * 4
    assert len(list((workspace.run / "vectors").glob("*.sqlite"))) == 2


def test_what_is_damaged_is_made_again(workspace: Workspace) -> None:
    with opened(workspace) as encoder:
        first = encoder.queries(["a", "b"])
    (file,) = (workspace.run / "vectors").glob("*.sqlite")
    with sqlite3.connect(file) as base:
        base.execute(
            "UPDATE answers SET body = CAST(x'00000000' || substr(body, 5) AS BLOB) WHERE key = (SELECT min(key) FROM answers)"
        )
    base.close()
    with opened(workspace) as encoder:
        np.testing.assert_array_equal(encoder.queries(["a", "b"]), first)
        np.testing.assert_array_equal(encoder.queries(["a", "b"]), first)
    assert len(counted_encoder.ASKED) == 3


def test_a_vector_takes_its_numbers_and_little_more(workspace: Workspace) -> None:
    with opened(workspace, dimensions=384) as encoder:
        encoder.documents([f"text {number}" for number in range(2000)])
    (file,) = (workspace.run / "vectors").glob("*.sqlite")
    assert 384 * 4 < file.stat().st_size / 2000 < 384 * 4 * 1.4


def test_each_pair_is_judged_once(workspace: Workspace) -> None:
    settings = counted_reranker.Settings(kind="tests.counted_reranker")
    for _ in range(2):
        with vectors.opened_reranker(settings, workspace) as reranker:
            assert reranker.scores([("a b", "b"), ("b", "a b"), ("a b", "b")]).tolist() == [0.5, 1.0, 0.5]
            assert reranker.scores([]).tolist() == []
            assert reranker.model == "counted"
    assert counted_reranker.ASKED == [("a b", "b"), ("b", "a b")]


def run(outputs: Path, **changes: Any) -> dict[str, Any]:
    settings = parse(Config, CONFIG | {"outputs": str(outputs)} | changes, where="")
    with shown() as display:
        result = runs.run(settings, display)
    return {"ran": result.summary["ran"], "folder": result.dataset}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_with_other_settings_computes_what_is_new_and_nothing_else(tmp_path: Path) -> None:
    run(tmp_path)
    assert max(Counter(counted_encoder.ASKED).values()) == 1
    assert max(Counter(counted_reranker.ASKED).values()) == 1
    embedded, judged = len(counted_encoder.ASKED), len(counted_reranker.ASKED)
    assert (embedded > 200, judged > 200) == (True, True)

    found = run(tmp_path, score={"candidates": 70})
    assert found["ran"][0] == "score"
    assert len(counted_encoder.ASKED) == embedded

    run(tmp_path, personas={"candidates": 3})  # other personas: other queries
    assert max(Counter(counted_encoder.ASKED).values()) == 1


def test_other_thresholds_ask_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    judged = len(counted_reranker.ASKED)
    found = run(tmp_path, judge={"min_positive": 0.4, "max_negative_ratio": 0.9})
    assert found["ran"] == ["judge", "negatives", "quota", "publish"]
    assert len(counted_reranker.ASKED) == judged
    stats = json.loads((found["folder"] / "stats.json").read_text())
    assert stats["quantiles"]["positive_rerank"]["min"] >= 0.4
    assert stats["quantiles"]["negative_reranks"]["max"] < 0.9
    page = (found["folder"] / "README.md").read_text()
    assert "- **Reranker** (`positive_rerank`, `negative_reranks`" in page
    assert (
        "judge.min_positive = 0.4, judge.max_negative = off, judge.max_negative_ratio = 0.9, judge.candidates = 20"
        in page
    )


def test_with_and_without_a_cache_the_dataset_is_the_same(tmp_path: Path) -> None:
    one = run(tmp_path / "one")
    two = run(
        tmp_path / "two",
        embedder={"kind": "tests.counted_encoder", "cache": False},
        reranker={"kind": "tests.counted_reranker", "cache": False},
    )
    assert contents(one["folder"]) == contents(two["folder"])


@pytest.mark.parametrize("where", [(PassageIndex, "search"), (CountedEncoder, "queries"), (CountedReranker, "scores")])
@pytest.mark.parametrize("call", [1, 2])
def test_a_run_cut_off_anywhere_comes_to_the_same_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: tuple[type, str], call: int
) -> None:
    """Also when vectors depend on what else was in the call: it is found whole, as by `search`, or made again whole."""
    wobbly = {"kind": "tests.counted_encoder", "wobble": 1e-4}
    whole = run(tmp_path / "whole", embedder=wobbly)
    counted_encoder.ASKED.clear()
    counted_reranker.ASKED.clear()
    kind, name = where
    works, calls = getattr(kind, name), itertools.count()

    def fails(*args: Any) -> Any:
        if next(calls) == call:
            raise ModelError("cut off")
        return works(*args)

    with monkeypatch.context() as patch:
        patch.setattr(kind, name, fails)
        with pytest.raises(ModelError, match="cut off"):
            run(tmp_path / "cut", embedder=wobbly)
    resumed = run(tmp_path / "cut", embedder=wobbly)
    assert contents(resumed["folder"]) == contents(whole["folder"])
    assert max(Counter(counted_encoder.ASKED).values()) == 1
    assert max(Counter(counted_reranker.ASKED).values()) == 1


def test_another_model_under_the_same_name_is_found_out(workspace: Workspace) -> None:
    with workspace.keep("vectors/m.sqlite") as keep:
        vectors.CachedEncoder(CountedEncoder(8, 4, 0), keep, "m").documents(["a"])
        with pytest.raises(ModelError, match="other dimensions than what it gives now"):
            vectors.CachedEncoder(CountedEncoder(16, 4, 0), keep, "m").documents(["a", "b"])
