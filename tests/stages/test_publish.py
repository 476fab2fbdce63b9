import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth import schemas, store
from synth.config import Config, Corpus, Negatives, Publish
from synth.errors import VerifyError
from synth.executors import local
from synth.stage import Map, Source, Stage
from synth.stages import publish, quota


class Silent:
    def advance(self, rows: int, ok: int, **totals: float) -> None:
        pass


@contextmanager
def silent(stage: Stage, rows: int | None) -> Iterator[Silent]:
    yield Silent()


def config(**changes: Any) -> Config:
    settings = {
        "name": "toy",
        "corpus": Corpus(path="docs", licence="CC0-1.0"),
        "engine": SimpleNamespace(kind="scripted"),
        "embedder": SimpleNamespace(kind="local", model="/models/MiniLM"),
        "tasks": {},
        "negatives": Negatives(per_query=2),
        "publish": Publish(validation=0.3, licence="CC-BY-4.0"),
        **changes,
    }
    return Config.model_construct(**settings)


def mined(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"row{number}",
        "task": "retrieval",
        "round": 1,
        "cell": "",
        "ordinal": 0,
        "seed": 7,
        "passage_id": f"passage{number}",
        "document_id": f"document{number // 2}",
        "source": f"docs.jsonl:{number}",
        "title": "Tides",
        "passage": f"The tide turns every six hours. {number}",
        "passage_language": "en",
        "syntax": "",
        "parallel": "",
        "translation": "",
        "types": ["acquire_knowledge"],
        "difficulties": ["high_school"],
        "clarity": "",
        "query_language": "de" if number % 3 == 0 else "en",
        "length": "short",
        "words": 6,
        "personas": ["a sailor", "a nurse"],
        "instruction": "Find a passage that answers the question.",
        "query": f"how often does the tide turn {number}",
        "positive": f"The tide turns every six hours. {number}",
        "positive_language": "en",
        "written": ["query"],
        "type": "acquire_knowledge",
        "difficulty": "high_school",
        "persona": "a sailor",
        "label": "",
        "similarity": None,
        "templates": "abc123",
        "model": "toy-model",
        "requests": ["r1", "r2"],
        "asked": 2,
        "cached_tokens": 0,
        "prompt_tokens": 40,
        "output_tokens": 8,
        "status": "ok",
        "reason": None,
        "detail": None,
        "cosine": 0.75,
        "rank": 1,
        "cluster": f"row{number}",
        "negatives": ["The moon is grey.", "Salt is white."],
        "negative_ids": ["p-moon", "p-salt"],
        "negative_scores": [0.5, 0.25],
        "negative_kinds": ["mined", "mined"],
        "negative_similarities": [None, None],
        "positive_rerank": None,
        "negative_reranks": [None, None],
    }
    return row | changes


def publish_rows(
    run: Path, rows: Sequence[dict[str, Any]], *, shard: int = 4, **changes: Any
) -> tuple[Path, store.Manifest]:
    cut = [rows[at : at + shard] for at in range(0, len(rows), shard)]
    source = Source(
        name="negatives",
        does="",
        writes=schemas.MINED,
        read=lambda: (schemas.table(schemas.MINED, part) for part in cut),
    )
    settings = config(**changes)
    counted = quota.stage(settings, source, source, source, lambda run: [""])
    stage = publish.stage(settings, source, counted, [])
    local.run([source, counted, stage], run, silent)
    return run / "dataset", store.finished(run / "dataset", stage)


def data(folder: Path, split: str = "*") -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((folder / "data").glob(f"{split}-*.parquet")))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def out(number: int, reason: str, status: str = "rejected") -> dict[str, Any]:
    return mined(number, status=status, reason=reason, cosine=None, rank=None, cluster=None)


def test_a_row_becomes_a_row_of_the_dataset(tmp_path: Path) -> None:
    folder, manifest = publish_rows(tmp_path, [mined(1), out(2, "too_short")], publish=Publish(validation=0))
    assert [file.name for file in manifest.files] == ["README.md", "data/train-00000-of-00001.parquet", "stats.json"]
    assert manifest.counts == {"train": 1, "rejected/too_short": 1}
    table = data(folder)
    assert table.schema.equals(schemas.DATASET)
    assert table.to_pylist() == [
        {
            "id": "row1",
            "task": "retrieval",
            "instruction": "Find a passage that answers the question.",
            "query": "how often does the tide turn 1",
            "positive": "The tide turns every six hours. 1",
            "negatives": ["The moon is grey.", "Salt is white."],
            "positive_score": 0.75,
            "negative_scores": [0.5, 0.25],
            "negative_kinds": ["mined", "mined"],
            "positive_rerank": None,
            "negative_reranks": [None, None],
            "similarity": None,
            "negative_similarities": [None, None],
            "label": "",
            "rank": 1,
            "query_language": "en",
            "positive_language": "en",
            "type": "acquire_knowledge",
            "difficulty": "high_school",
            "length": "short",
            "clarity": "",
            "persona": "a sailor",
            "title": "Tides",
            "document_id": "document0",
            "passage_id": "passage1",
            "negative_ids": ["p-moon", "p-salt"],
            "source": "docs.jsonl:1",
            "cluster": "row1",
            "model": "toy-model",
            "templates": "abc123",
        }
    ]


def test_a_document_is_in_one_split_and_stays_there(tmp_path: Path) -> None:
    few, _ = publish_rows(tmp_path / "few", [mined(number) for number in range(40)])
    many, manifest = publish_rows(tmp_path / "many", [mined(number) for number in range(400)], shard=100, seed=5)
    train, validation = (set(data(many, split)["document_id"].to_pylist()) for split in ("train", "validation"))
    assert not train & validation
    assert len(train | validation) == 200
    assert 0.2 < len(validation) / 200 < 0.4
    assert set(data(few, "validation")["document_id"].to_pylist()) <= validation
    assert manifest.counts == {"train": 2 * len(train), "validation": 2 * len(validation)}


def test_same_rows_same_bytes_however_they_were_cut(tmp_path: Path) -> None:
    rows = [mined(number) if number % 5 else out(number, "copied") for number in range(300)]
    settings = {"publish": Publish(validation=0.2, shard_mb=0.02)}
    one, _ = publish_rows(tmp_path / "one", rows, shard=40, **settings)
    two, _ = publish_rows(tmp_path / "two", rows, shard=40, **settings)
    assert digests(one) == digests(two)
    other, _ = publish_rows(tmp_path / "other", rows, shard=171, **settings)
    assert store.manifest(one).content == store.manifest(other).content  # type: ignore[union-attr]
    # The manifest itself also says from which shards it was made.
    assert {**digests(one), store.MANIFEST: ""} == {**digests(other), store.MANIFEST: ""}


def test_shards_end_at_their_target_size(tmp_path: Path) -> None:
    rows = [mined(number, query=hashlib.sha512(str(number).encode()).hexdigest() * 8) for number in range(1000)]
    folder, _ = publish_rows(tmp_path, rows, shard=500, publish=Publish(validation=0, shard_mb=0.05))
    paths = sorted((folder / "data").iterdir())
    assert [path.name for path in paths] == [f"train-{n:05d}-of-{len(paths):05d}.parquet" for n in range(len(paths))]
    assert len(paths) > 3
    assert all(50_000 <= path.stat().st_size < 110_000 for path in paths[:-1])  # 5 KB of footer a row group
    assert data(folder)["id"].to_pylist() == [f"row{number}" for number in range(1000)]


def test_no_row_is_ok(tmp_path: Path) -> None:
    folder, manifest = publish_rows(tmp_path, [out(1, "too_short"), out(2, "timeout", "failed")])
    assert manifest.counts == {"train": 0, "failed/timeout": 1, "rejected/too_short": 1}
    assert data(folder).schema.equals(schemas.DATASET)
    assert data(folder).num_rows == 0
    assert "None: no row came through." in (folder / "README.md").read_text()
    assert json.loads((folder / "stats.json").read_text())["rows"] == 0


def test_when_all_documents_are_held_out_there_is_no_validation(tmp_path: Path) -> None:
    folder, manifest = publish_rows(tmp_path, [mined(number) for number in range(4)], publish=Publish(validation=0.999))
    assert manifest.counts == {"train": 4}
    assert [path.name for path in (folder / "data").iterdir()] == ["train-00000-of-00001.parquet"]
    assert json.loads((folder / "stats.json").read_text())["splits"]["train"]["documents"] == 2
    assert "There is no validation split: too few documents" in (folder / "README.md").read_text()


def test_no_shard_at_all(tmp_path: Path) -> None:
    folder, manifest = publish_rows(tmp_path, [])
    assert manifest.counts == {"train": 0}
    assert data(folder).num_rows == 0


@pytest.mark.parametrize("validation", [0.0, 0.5])
def test_datasets_loads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validation: float) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    rows = [mined(number) for number in range(40)]
    folder, manifest = publish_rows(tmp_path, rows, publish=Publish(validation=validation))
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {
        name: rows for name, rows in manifest.counts.items() if "/" not in name
    }
    assert ("validation" in loaded) == (validation > 0)
    assert loaded["train"].column_names == schemas.DATASET.names
    assert loaded["train"].to_list() == data(folder, "train").to_pylist()


def test_datasets_does_not_take_one_run_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both folders are named `dataset`, and their cards say the same but for the rows' hash."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    found = {}
    for number in (1, 2):
        folder, _ = publish_rows(tmp_path / str(number), [mined(number)])
        assert folder.name == "dataset"
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"), split="train")
        found[number] = loaded["id"][:]
    assert found == {1: ["row1"], 2: ["row2"]}


def test_the_figures(tmp_path: Path) -> None:
    rows = [
        mined(0),
        mined(1, query="How often does  the tide turn 0", cosine=0.5, rank=3, negatives=["x"], type="summary"),
        mined(2, persona="a nurse", negatives=[]),
        out(3, "copied"),
    ]
    folder, _ = publish_rows(tmp_path, rows, publish=Publish(validation=0))
    text = (folder / "stats.json").read_text()
    assert str(tmp_path) not in text
    stats = json.loads(text)
    quantiles = stats.pop("quantiles")
    assert quantiles["cosine"] == {
        "min": 0.5, "p05": 0.5, "p25": 0.5, "p50": 0.75, "p75": 0.75, "p95": 0.75, "max": 0.75
    }  # fmt: skip
    assert quantiles["rank"]["max"] == 3
    assert quantiles["query_characters"] == {
        "min": 30, "p05": 30, "p25": 30, "p50": 30, "p75": 31, "p95": 31, "max": 31
    }  # fmt: skip
    assert stats == {
        "rows": 3,
        "splits": {"train": {"rows": 3, "queries": 2, "passages": 3, "documents": 2, "personas": 2}},
        "distinct": {"queries": 2, "passages": 3, "documents": 2, "personas": 2},
        "duplicate_queries": 1,
        "tasks": {"retrieval": 3},
        "query_languages": {"de": 1, "en": 2},
        "positive_languages": {"en": 3},
        "language_pairs": {"de-en": 1, "en-en": 2},
        "types": {"acquire_knowledge": 2, "summary": 1},
        "difficulties": {"high_school": 3},
        "lengths": {"short": 3},
        "clarities": {"": 3},
        "scored_pairs": {},
        "benchmarks": {},
        "by_task": {
            "retrieval": {
                "de": {"planned": 2, "written": 1, "rejected": {"copied": 1}, "failed": {}},
                "en": {"planned": 2, "written": 2, "rejected": {}, "failed": {}},
            }
        },
        "spent": {
            "requests": {"retrieval": 8},
            "prompt_tokens": {"retrieval": 160},
            "cached_tokens": {"retrieval": 0},
            "output_tokens": {"retrieval": 32},
        },
        "models": {"toy-model": 3},
        "templates": {"abc123": 3},
        "negatives": {"asked_for": 2, "total": 3, "rows_with_fewer": 2, "rows_by_number": {"0": 1, "1": 1, "2": 1}},
        "funnel": [{"stage": "negatives", "rows_in": 4, "rows_out": 3, "rejected": {"copied": 1}, "failed": {}}],
    }


def test_the_funnel_counts_each_reason_once_and_anew_where_rows_change(tmp_path: Path) -> None:
    passage = {
        "document_id": "d", "source": "s", "title": "", "text": "t", "language": "en", "syntax": "",
        "parallel": "", "ordinal": 0, "passages": 1, "tokens": 1, "detail": None,
    }  # fmt: skip
    passages = [
        passage | {"id": f"p{n}", "status": "rejected" if n == 0 else "ok", "reason": "too_short" if n == 0 else None}
        for n in range(3)
    ]
    corpus = Source(
        name="corpus",
        does="",
        writes=schemas.PASSAGES,
        read=lambda: iter([schemas.table(schemas.PASSAGES, passages)]),
    )
    rows = [out(0, "copied"), *map(mined, range(1, 6))]
    generate = Map(
        name="filter",
        does="",
        writes=schemas.MINED,
        after=(corpus,),
        same_rows=False,
        fn=lambda _, __: schemas.table(schemas.MINED, rows),
    )
    verdicts = [None, "too_few_negatives: 0 of 2", None, None, None, None]
    negatives = Map(
        name="negatives",
        does="",
        writes=schemas.MINED,
        after=(generate,),
        fn=lambda rows, _: schemas.annotate(rows, verdicts),
    )
    counted = quota.stage(config(), negatives, negatives, negatives, lambda run: [""])
    stage = publish.stage(config(), negatives, counted, [corpus, generate])
    local.run([corpus, generate, negatives, counted, stage], tmp_path, silent)
    assert json.loads((tmp_path / "dataset" / "stats.json").read_text())["funnel"] == [
        {"stage": "corpus", "rows_in": 3, "rows_out": 2, "rejected": {"too_short": 1}, "failed": {}},
        {"stage": "filter", "rows_in": 6, "rows_out": 5, "rejected": {"copied": 1}, "failed": {}},
        {"stage": "negatives", "rows_in": 5, "rows_out": 4, "rejected": {"too_few_negatives": 1}, "failed": {}},
    ]


def test_an_ok_row_without_a_score_is_a_bug_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="'positive_score' has 1 nulls"):
        publish_rows(tmp_path, [mined(1, cosine=None)])


@pytest.mark.parametrize(
    "change",
    [
        {"publish": Publish(validation=0.5)},
        {"seed": 3},
        {"name": "other"},
        {"corpus": Corpus(path="docs", licence="MIT")},
    ],
)
def test_what_the_card_says_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    source = Source(name="negatives", does="", writes=schemas.MINED, read=lambda: iter([]))
    assert (
        publish.stage(config(), source, source, []).fingerprint
        == publish.stage(config(), source, source, []).fingerprint
    )
    assert (
        publish.stage(config(), source, source, []).fingerprint
        != publish.stage(config(**change), source, source, []).fingerprint
    )


def test_graded_rows_are_scored_pairs_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graded = {"task": "sts", "rank": None, "written": ["positive", "negatives"], "similarity": 4.5}
    rows = [
        mined(1),
        mined(2, **graded, negative_kinds=["written", "mined"], negative_similarities=[2.5, None]),
        out(3, "copied") | {"similarity": 5.0},
    ]
    folder, _ = publish_rows(tmp_path, rows, publish=Publish(validation=0))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(folder), "scored_pairs", cache_dir=str(tmp_path / "cache"), split="train")
    common = {"sentence1": "how often does the tide turn 2", "id": "row2", "language": "en"}
    assert loaded.to_list() == [
        {**common, "sentence2": "The tide turns every six hours. 2", "score": pytest.approx(0.9)},
        {**common, "sentence2": "The moon is grey.", "score": 0.5},
    ]
    assert datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"), split="train").num_rows == 2
