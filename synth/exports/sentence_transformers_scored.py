"""sentence-transformers: sentence1, sentence2, score (0 to 1), of graded rows, for CoSENT and cosine losses."""

from synth import schemas
from synth.exports import Line, Lines, Options, Row

READS = schemas.SCORED_PAIRS
OPTIONS = frozenset[str]()


def lines(row: Row, split: str, options: Options) -> Lines:
    # The scores are float32: more digits than this are noise.
    score = round(row["score"], 6)
    return [
        Line(f"{split}.jsonl", {"sentence1": row["sentence1"], "sentence2": row["sentence2"], "score": float(score)})
    ]
