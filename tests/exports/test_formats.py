"""What a row becomes in each format, in whole values."""

from typing import Any

import pytest
import yaml

from synth import plugins
from synth.exports import Line, Options, mteb

ROW: dict[str, Any] = {
    "id": "r1", "task": "retrieval", "instruction": "Find it", "query": 'how\n"do"\u2028{query}\totters', "positive": "P",
    "negatives": ["N1", "N2"], "negative_ids": ["n1", ""], "positive_rerank": 0.5, "negative_reranks": [0.0, 0.25],
    "label": "", "rank": 1, "passage_id": "p1", "query_language": "en", "similarity": None,
}  # fmt: skip
QUERY = ROW["query"]


def lines(name: str, row: dict[str, Any] = ROW, **options: Any) -> Any:
    return plugins.load("exports", name).lines(row, "train", Options(**options))


def test_triplets() -> None:
    one = {"anchor": QUERY, "positive": "P", "negative": "N1"}
    assert lines("sentence_transformers_triplet") == [Line("train.jsonl", one)]
    made = lines("sentence_transformers_triplet", negatives=9, query="I: {instruction} Q: {query}")
    asked = f"I: Find it Q: {QUERY}"
    assert [line.value for line in made] == [
        {"anchor": asked, "positive": "P", "negative": "N1"},
        {"anchor": asked, "positive": "P", "negative": "N2"},
    ]


def test_tuples_have_as_many_negatives_as_asked_or_are_left_out() -> None:
    found = {"anchor": QUERY, "positive": "P", "negative_1": "N1", "negative_2": "N2"}
    assert lines("sentence_transformers_tuple", negatives=2) == [Line("train.jsonl", found)]
    assert lines("sentence_transformers_tuple", negatives=3) == "fewer_negatives"


def test_scored_pairs() -> None:
    row = {"sentence1": "a", "sentence2": "b", "score": 0.800000011920929, "id": "r1", "language": "en"}
    found = {"sentence1": "a", "sentence2": "b", "score": 0.8}
    assert lines("sentence_transformers_scored", row) == [Line("train.jsonl", found)]


def test_flagembedding() -> None:
    found = {"query": QUERY, "pos": ["P"], "neg": ["N1", "N2"], "prompt": "Find it", "type": "normal"}
    scores = {"pos_scores": [0.0], "neg_scores": [-13.8155, -1.0986]}
    assert lines("flagembedding") == [Line("train/retrieval.jsonl", found)]
    assert lines("flagembedding", scores=True) == [Line("train/retrieval.jsonl", {**found, **scores})]
    assert lines("flagembedding", {**ROW, "negative_reranks": [0.1, None]}, scores=True) == "no_scores"
    (line,) = lines("flagembedding", {**ROW, "task": "classification", "label": "x"})
    assert line.file == "train_no_in_batch_neg/classification.jsonl"


@pytest.mark.parametrize(
    ("name", "role", "system"),
    [("swift_embedding", "user", "Instruct: Find it\nQuery:"), ("swift_reranker", "assistant", "Find it")],
)
def test_swift(name: str, role: str, system: str) -> None:
    found = {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": QUERY}],
        "positive_messages": [[{"role": role, "content": "P"}]],
        "negative_messages": [[{"role": role, "content": "N1"}], [{"role": role, "content": "N2"}]],
    }
    assert lines(name, negatives=2) == [Line("train.jsonl", found)]


def test_no_negatives_make_pairs() -> None:
    pair = {"anchor": QUERY, "positive": "P"}
    without = {**ROW, "negatives": []}
    for row in (ROW, without):
        assert lines("sentence_transformers_triplet", row, negatives=0) == [Line("train.jsonl", pair)]
        assert lines("sentence_transformers_tuple", row, negatives=0) == [Line("train.jsonl", pair)]
        (line,) = lines("swift_embedding", row, negatives=0)
        assert list(line.value) == ["messages", "positive_messages"]
    assert lines("swift_embedding", without, negatives=2) == "no_negatives"


def test_tevatron() -> None:
    (line,) = lines("tevatron")
    assert line.value == {
        "query_id": "r1",
        "query": QUERY,
        "positive_passages": [{"docid": "p1", "title": "", "text": "P"}],
        "negative_passages": [
            {"docid": "n1", "title": "", "text": "N1"},
            {"docid": line.value["negative_passages"][1]["docid"], "title": "", "text": "N2"},
        ],
    }
    assert len(line.value["negative_passages"][1]["docid"]) == 20


def test_beir() -> None:
    made = lines("beir", {**ROW, "negatives": ["N1"], "negative_ids": ["n1"]})
    about = {"instruction": "Find it", "task": "retrieval", "language": "en"}
    assert made == [
        Line("corpus.jsonl", {"_id": "p1", "title": "", "text": "P"}, "p1"),
        Line("corpus.jsonl", {"_id": "n1", "title": "", "text": "N1"}, "n1"),
        Line("queries.jsonl", {"_id": "r1", "text": QUERY, "metadata": about}),
        Line("qrels/train.tsv", ("r1", "p1", 1)),
    ]


def test_mteb() -> None:
    made = lines("mteb", {**ROW, "negatives": ["N1"], "negative_ids": ["n1"]})
    assert made == [
        Line("corpus.jsonl", {"_id": "p1", "title": "", "text": "P"}, "p1"),
        Line("corpus.jsonl", {"_id": "n1", "title": "", "text": "N1"}, "n1"),
        Line("queries.jsonl", {"_id": "r1", "text": QUERY}),
        Line("qrels/train.jsonl", {"query-id": "r1", "corpus-id": "p1", "score": 1}),
    ]
    _, header, _ = mteb.card({"corpus.jsonl": 2, "qrels/train.jsonl": 1, "queries.jsonl": 1}, "abc").split("---\n")
    assert yaml.safe_load(header) == {
        "configs": [
            {"config_name": name, "description": "rows abc", "data_files": [{"split": split, "path": path}]}
            for name, split, path in (
                ("default", "train", "qrels/train.jsonl"),
                ("corpus", "corpus", "corpus.jsonl"),
                ("queries", "queries", "queries.jsonl"),
            )
        ]
    }


def test_nemo() -> None:
    assert lines("nemo") == [Line("train.jsonl", {"query": QUERY, "pos_doc": "P", "neg_doc": ["N1", "N2"]})]


@pytest.mark.parametrize("name", ["beir", "mteb", "swift_reranker"])
def test_only_passages_are_relevant(name: str) -> None:
    assert lines(name, {**ROW, "rank": None}) == "positive_is_no_passage"
