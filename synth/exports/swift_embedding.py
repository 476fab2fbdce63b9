"""ms-swift, embedding: messages, positive_messages, negative_messages, all of role `user`; the instruction is the system's."""

from synth import schemas
from synth.exports import Line, Lines, Options, Row

READS = schemas.DATASET
OPTIONS = frozenset[str]()


def lines(row: Row, split: str, options: Options) -> Lines:
    system = [{"role": "system", "content": row["instruction"]}] if row["instruction"] else []
    value = {
        "messages": [*system, {"role": "user", "content": row["query"]}],
        "positive_messages": [[{"role": "user", "content": row["positive"]}]],
        "negative_messages": [[{"role": "user", "content": text}] for text in row["negatives"]],
    }
    return [Line(f"{split}.jsonl", value)] if row["negatives"] else "no_negatives"
