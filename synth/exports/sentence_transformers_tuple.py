"""sentence-transformers: anchor, positive, negative_1 to negative_n; a row with fewer negatives than n is left out.

Columns are model inputs there, so the file has nothing else. Prompts are given to the trainer, one per column.
"""

from synth import schemas
from synth.exports import Line, Lines, Options, Row, query

READS = schemas.DATASET
OPTIONS = frozenset({"negatives", "query"})
FIXED = True


def lines(row: Row, split: str, options: Options) -> Lines:
    if len(row["negatives"]) < options.negatives:
        return "fewer_negatives"
    columns = {f"negative_{at}": text for at, text in enumerate(row["negatives"][: options.negatives], 1)}
    return [Line(f"{split}.jsonl", {"anchor": query(row, options), "positive": row["positive"], **columns})]
