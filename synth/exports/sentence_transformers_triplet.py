"""sentence-transformers: anchor, positive, negative; a row gives as many triplets as `negatives` asks for and it has. With 0
it gives a pair, whether it has negatives or not.

Columns are model inputs there, so the file has nothing else. Prompts are given to the trainer, one per column.
"""

from synth import schemas
from synth.exports import Line, Lines, Options, Row, query

READS = schemas.DATASET
OPTIONS = frozenset({"negatives", "query"})


def lines(row: Row, split: str, options: Options) -> Lines:
    anchor = query(row, options)
    if not options.negatives:
        return [Line(f"{split}.jsonl", {"anchor": anchor, "positive": row["positive"]})]
    if not row["negatives"]:
        return "no_negatives"
    return [
        Line(f"{split}.jsonl", {"anchor": anchor, "positive": row["positive"], "negative": negative})
        for negative in row["negatives"][: options.negatives]
    ]
