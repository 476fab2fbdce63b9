"""configs/world.yaml, whole: five tasks in ten languages over examples/world, with made-up answers and hashed vectors."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pytest

from synth import config, languages, runs
from synth.progress import shown
from synth.sentences import spans

CORPUS = Path("examples/world/corpus/documents.jsonl")
MADE_UP = ["engine={kind: scripted}", "embedder={kind: hashing}", "prompts=null", "budget={}"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> config.Config:
    outputs = f"outputs={tmp_path_factory.mktemp('world')}"
    return config.load(Path("configs/world.yaml"), [*MADE_UP, outputs])


@pytest.fixture(scope="module")
def result(settings: config.Config) -> runs.Result:
    with shown() as display:
        return runs.run(settings, display)


@pytest.fixture(scope="module")
def loaded(result: runs.Result) -> Any:
    return datasets.load_dataset(str(result.dataset), cache_dir=str(result.dataset.parent / "cache"))


@pytest.fixture(scope="module")
def rows(loaded: Any) -> list[dict[str, Any]]:
    return [dict(row) | {"split": split} for split in loaded for row in loaded[split]]


@pytest.fixture(scope="module")
def parallel() -> dict[str, dict[str, dict[str, str]]]:
    """The corpus's documents by what their translations share, and by language."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        document = json.loads(line)
        if document["parallel"]:
            found.setdefault(document["parallel"], {})[document["language"]] = document
    return found


def of(rows: list[dict[str, Any]], task: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["task"] == task]


def test_each_target_is_met(result: runs.Result, rows: list[dict[str, Any]]) -> None:
    assert Counter(row["task"] for row in rows) == {
        "retrieval": 85, "sts": 42, "classification": 33, "code": 20, "bitext": 18,
    }  # fmt: skip
    assert Counter(row["query_language"] for row in rows) == {
        "en": 68, "de": 21, "es": 21, "fr": 21, "zh": 18, "ru": 13, "ja": 13, "ar": 13, "ko": 5, "hi": 5,
    }  # fmt: skip
    found = json.loads((result.dataset / "stats.json").read_text())["targets"]
    assert (found["stop"], found["distance"]) == ("targets met", 0.0)
    assert {cell["kept"] - cell["target"] for cell in found["cells"]} == {0}


def test_counts_add_up(settings: config.Config, result: runs.Result, rows: list[dict[str, Any]]) -> None:
    account = result.account
    assert account.planned == account.written + sum(account.rejected.values()) + sum(account.failed.values())
    assert (account.written, account.failed) == (198, {})
    assert runs.verify(settings)["rows"] == 198
    assert len({row["id"] for row in rows}) == 198
    stats = json.loads((result.dataset / "stats.json").read_text())
    fates = [fate for by_language in stats["by_task"].values() for fate in by_language.values()]
    assert sum(fate["planned"] for fate in fates) == account.planned
    assert sum(fate["written"] for fate in fates) == 198
    assert {
        fate["planned"] - fate["written"] - sum(fate["rejected"].values()) - sum(fate["failed"].values())
        for fate in fates
    } == {0}


SHAPES = {
    # Kinds of the negatives, and whether there is a rank, a label, a grade.
    "retrieval": ({"mined"}, True, False, False),
    "code": ({"mined"}, True, False, False),
    "bitext": ({"written"}, False, False, False),
    "sts": ({"written"}, False, False, True),
    "classification": ({"written"}, False, True, False),
}


@pytest.mark.parametrize("task", SHAPES)
def test_rows_have_the_shape_of_their_task(rows: list[dict[str, Any]], task: str) -> None:
    kinds, ranked, labelled, graded = SHAPES[task]
    for row in of(rows, task):
        assert row["query"].strip()
        assert row["positive"].strip()
        assert {*row["negative_kinds"]} == kinds
        assert [bool(name) for name in row["negative_ids"]] == [kinds == {"mined"}] * len(row["negatives"])
        assert (row["rank"] is not None) == ranked
        assert bool(row["label"]) == labelled
        assert (row["similarity"] is not None) == graded
        assert {grade is not None for grade in row["negative_similarities"]} == {graded}
        assert {len(row[name]) for name in ("negative_scores", "negative_kinds", "negative_similarities")} == {
            len(row["negatives"])
        }


@pytest.mark.parametrize("task", ["retrieval", "code", "bitext", "sts"])
def test_instructions_are_english_and_of_many_wordings(rows: list[dict[str, Any]], task: str) -> None:
    """Those of classification are the model's own, one per passage."""
    found = {row["instruction"] for row in of(rows, task)}
    assert len(found) >= 4
    assert [text for text in found if languages.is_language(text, "en")] == []


def test_classification_has_labels_or_texts_of_labels(rows: list[dict[str, Any]]) -> None:
    found = of(rows, "classification")
    assert Counter(row["type"] for row in found) == {"label": 22, "text": 11}
    for row in found:
        assert languages.is_language(row["instruction"], "en") is None
        assert len(row["negatives"]) == 2
        if row["type"] == "label":
            assert row["positive"] == row["label"]
            assert row["positive_language"] == "en"
            assert row["label"] not in row["negatives"]
        else:
            assert row["positive_language"] == row["query_language"]


def test_grades_of_sts_are_ordered_and_there_as_scored_pairs(result: runs.Result, rows: list[dict[str, Any]]) -> None:
    graded = of(rows, "sts")
    assert {row["similarity"] for row in graded} == {5.0, 4.5, 4.0}
    assert {grade for row in graded for grade in row["negative_similarities"]} == {3.5, 3.0, 2.5}
    assert {row["query_language"] == row["positive_language"] for row in graded} == {True}
    pairs = datasets.load_dataset(str(result.dataset), "scored_pairs", cache_dir=str(result.dataset.parent / "cache"))
    found = sorted(
        (pair["sentence1"], pair["sentence2"], round(pair["score"] * 5, 3), pair["id"], pair["language"])
        for split in pairs
        for pair in pairs[split]
    )
    assert found == sorted(
        (row["query"], text, grade, row["id"], row["query_language"])
        for row in graded
        for text, grade in (
            (row["positive"], row["similarity"]),
            (row["negatives"][0], row["negative_similarities"][0]),
        )
    )
    assert len(found) == 84


def test_bitext_takes_the_translations_of_the_corpus(
    rows: list[dict[str, Any]], parallel: dict[str, dict[str, dict[str, str]]]
) -> None:
    """The n-th sentence of each version says the same (examples/world/README.md): so query and positive, being whole
    sentences, stand at the same places of two versions."""
    documents = {document["id"]: key for key, versions in parallel.items() for document in versions.values()}
    taken = 0
    for row in of(rows, "bitext"):
        assert row["query_language"] != row["positive_language"]
        key = documents.get(row["document_id"])
        if key is None or row["query_language"] not in parallel[key]:
            continue
        taken += 1
        places = [
            [at for at, sentence in enumerate(sentences(parallel[key][code])) if sentence in text]
            for code, text in ((row["query_language"], row["query"]), (row["positive_language"], row["positive"]))
        ]
        assert places[0] == places[1] != []
    assert taken >= 8


def sentences(document: dict[str, str]) -> list[str]:
    return [document["text"][start:end].strip() for start, end in spans(document["text"], document["language"])]


def test_retrieval_is_within_and_across_languages(rows: list[dict[str, Any]]) -> None:
    found = Counter(row["query_language"] == row["positive_language"] for row in of(rows, "retrieval"))
    assert min(found[True], found[False]) >= 8


def test_code_is_in_no_language(rows: list[dict[str, Any]]) -> None:
    assert {(row["query_language"], row["positive_language"]) for row in of(rows, "code")} == {("en", "und")}
    assert {Path(row["source"]).suffix for row in of(rows, "code")} <= {".py", ".js", ".go", ".rs", ".c"}


def test_translations_of_one_document_are_in_one_split(
    rows: list[dict[str, Any]], parallel: dict[str, dict[str, dict[str, str]]]
) -> None:
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["document_id"], set()).add(row["split"])
    assert {split for found in splits.values() for split in found} == {"train", "validation"}
    for versions in parallel.values():
        found = [splits[document["id"]] for document in versions.values() if document["id"] in splits]
        assert len(found) >= 2
        assert len(set().union(*found)) == 1
