"""BEIR and MTEB: corpus.jsonl, queries.jsonl, qrels/<split>.tsv, of rows whose positive is a passage.

A passage is there once. Texts that are no passage have the hash of the text as their id, as passages have. Titles are
empty: the dataset has those of positives only, and they would give the positives away.
"""

from synth import schemas
from synth.exports import Line, Lines, Options, Row

READS = schemas.DATASET
OPTIONS = frozenset[str]()
TABLES = {"qrels/": ("query-id", "corpus-id", "score")}


def lines(row: Row, split: str, options: Options) -> Lines:
    if row["rank"] is None:
        return "positive_is_no_passage"
    about = {"instruction": row["instruction"], "task": row["task"], "language": row["query_language"]}
    return [
        _document(row["passage_id"], row["positive"]),
        *map(_document, row["negative_ids"], row["negatives"]),
        Line("queries.jsonl", {"_id": row["id"], "text": row["query"], "metadata": about}),
        Line(f"qrels/{split}.tsv", (row["id"], row["passage_id"], 1)),
    ]


def _document(name: str, text: str) -> Line:
    name = name or schemas.stable_id("passage", text)
    return Line("corpus.jsonl", {"_id": name, "title": "", "text": text}, key=name)
