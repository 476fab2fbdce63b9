"""ms-swift, embedding: messages, positive_messages, negative_messages, all of role `user`.

The system message is `Instruct: …` and `Query:` on two lines: its template for Qwen3-Embedding puts it before the query
as it is, and that model is asked in this wording.
"""

from synth import schemas
from synth.exports import Line, Lines, Options, Row

READS = schemas.DATASET
OPTIONS = frozenset({"negatives"})
FIXED = True


def lines(row: Row, split: str, options: Options) -> Lines:
    system = [{"role": "system", "content": f"Instruct: {row['instruction']}\nQuery:"}] if row["instruction"] else []
    value = {
        "messages": [*system, {"role": "user", "content": row["query"]}],
        "positive_messages": [[{"role": "user", "content": row["positive"]}]],
    }
    if options.negatives:
        if not row["negatives"]:
            return "no_negatives"
        value["negative_messages"] = [
            [{"role": "user", "content": text}] for text in row["negatives"][: options.negatives]
        ]
    return [Line(f"{split}.jsonl", value)]
