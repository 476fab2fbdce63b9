"""FlagEmbedding: query, pos, neg, prompt; with `--scores` the reranker's logits as pos_scores and neg_scores.

Its trainer draws a batch from one file, so each task has a file. Labels repeat in a batch: rows that have one go
into a folder whose name ends with `no_in_batch_neg`, which tells the trainer to take no negatives from the batch.
"""

from synth import schemas
from synth.exports import Line, Lines, Options, Row
from synth.exports._groups import teacher

READS = schemas.DATASET
OPTIONS = frozenset({"scores"})


def lines(row: Row, split: str, options: Options) -> Lines:
    if not row["negatives"]:
        return "no_negatives"
    scores = teacher(row) if options.scores else {}
    if scores is None:
        return "no_scores"
    folder = f"{split}_no_in_batch_neg" if row["label"] else split
    texts = {"query": row["query"], "pos": [row["positive"]], "neg": row["negatives"]}
    return [Line(f"{folder}/{row['task']}.jsonl", {**texts, **scores, "prompt": row["instruction"], "type": "normal"})]
