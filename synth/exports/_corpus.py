"""The corpus of a retrieval benchmark: the passages of a row, each once. Shared by `beir` and `mteb`.

Texts that are no passage have the hash of the text as their id, as passages have. Titles are empty: the dataset has those of
positives only, and they would give the positives away.
"""

from synth import schemas
from synth.exports import Line, Row


def documents(row: Row) -> list[Line]:
    texts = [(row["passage_id"], row["positive"]), *zip(row["negative_ids"], row["negatives"], strict=True)]
    return [_document(name or schemas.stable_id("passage", text), text) for name, text in texts]


def _document(name: str, text: str) -> Line:
    return Line("corpus.jsonl", {"_id": name, "title": "", "text": text}, key=name)
