"""NeMo AutoModel: query, pos_doc, neg_doc as texts, for its inline retrieval dataset."""

from synth import schemas
from synth.exports import Line, Lines, Options, Row, query

READS = schemas.DATASET
OPTIONS = frozenset({"query"})


def lines(row: Row, split: str, options: Options) -> Lines:
    if not row["negatives"]:
        return "no_negatives"
    value = {"query": query(row, options), "pos_doc": row["positive"], "neg_doc": row["negatives"]}
    return [Line(f"{split}.jsonl", value)]
