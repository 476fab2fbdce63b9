"""ms-swift, reranker: messages, positive_messages, negative_messages; passages have the role `assistant`.

Only rows whose positive is a passage: relevance is what a reranker learns, not likeness or a label.
"""

from synth import schemas
from synth.exports import Line, Lines, Options, Row

READS = schemas.DATASET
OPTIONS = frozenset[str]()


def lines(row: Row, split: str, options: Options) -> Lines:
    if row["rank"] is None:
        return "positive_is_no_passage"
    system = [{"role": "system", "content": row["instruction"]}] if row["instruction"] else []
    value = {
        "messages": [*system, {"role": "user", "content": row["query"]}],
        "positive_messages": [[{"role": "assistant", "content": row["positive"]}]],
        "negative_messages": [[{"role": "assistant", "content": text}] for text in row["negatives"]],
    }
    return [Line(f"{split}.jsonl", value)] if row["negatives"] else "no_negatives"
