"""BEIR: corpus.jsonl, queries.jsonl, qrels/<split>.tsv, of rows whose positive is a passage. A passage is there once."""

from synth import schemas
from synth.exports import Line, Lines, Options, Row
from synth.exports._corpus import documents

READS = schemas.DATASET
OPTIONS = frozenset[str]()
TABLES = {"qrels/": ("query-id", "corpus-id", "score")}


def lines(row: Row, split: str, options: Options) -> Lines:
    if row["rank"] is None:
        return "positive_is_no_passage"
    about = {"instruction": row["instruction"], "task": row["task"], "language": row["query_language"]}
    return [
        *documents(row),
        Line("queries.jsonl", {"_id": row["id"], "text": row["query"], "metadata": about}),
        Line(f"qrels/{split}.tsv", (row["id"], row["passage_id"], 1)),
    ]
