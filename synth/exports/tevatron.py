"""Tevatron: query_id, query, positive_passages and negative_passages with docid, title and text.

Titles are empty: the dataset has those of positives only, and a model would learn to look for a title.
"""

from synth import schemas
from synth.exports import Line, Lines, Options, Row, query

READS = schemas.DATASET
OPTIONS = frozenset({"query"})


def lines(row: Row, split: str, options: Options) -> Lines:
    if not row["negatives"]:
        return "no_negatives"
    own = row["passage_id"] if row["rank"] is not None else ""
    value = {
        "query_id": row["id"],
        "query": query(row, options),
        "positive_passages": [_passage(own, row["positive"])],
        "negative_passages": list(map(_passage, row["negative_ids"], row["negatives"])),
    }
    return [Line(f"{split}.jsonl", value)]


def _passage(name: str, text: str) -> dict[str, str]:
    return {"docid": name or schemas.stable_id("passage", text), "title": "", "text": text}
