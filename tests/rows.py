"""Whole rows for tables in tests: every column of a schema has a value, and a test names only what it is about."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synth import index
from synth.index import PassageIndex
from synth.schemas import CLUSTERED, MINED, OK, PAIRS, PASSAGES, PERSONAS, PLAN, SCORED, stable_id, table

STATE = {"status": OK, "reason": None, "detail": None}


def passage(**changes: Any) -> dict[str, Any]:
    """A row of schemas.PASSAGES; its id is the hash of its text, as in the corpus stage."""
    text = changes.get("text", "Otters sleep holding hands.")
    row = {
        "id": stable_id("passage", text),
        "document_id": "d1",
        "source": "docs.jsonl:1",
        "title": "Otters",
        "text": text,
        "language": "en",
        "syntax": "",
        "parallel": "",
        "ordinal": 0,
        "passages": 1,
        "tokens": 7,
        **STATE,
    }
    return _changed(row, changes)


def embedded(vector: Sequence[float], **changes: Any) -> dict[str, Any]:
    """A row of schemas.PERSONAS."""
    return {**passage(**changes), "personas": ["A zookeeper."], "embedding": np.asarray(vector, np.float16)}


def pair(**changes: Any) -> dict[str, Any]:
    """A row of schemas.PAIRS; `passage` also sets its id and the positive, `query` the row's id, unless they are given."""
    text, query = changes.get("passage", "Otters sleep holding hands."), changes.get("query", "how do otters sleep")
    row = {
        "id": stable_id("row", query, text),
        "task": "retrieval",
        "round": 1,
        "cell": "",
        "ordinal": 0,
        "seed": 1,
        "passage_id": stable_id("passage", text),
        "document_id": "d1",
        "source": "docs.jsonl:1",
        "title": "Otters",
        "passage": text,
        "passage_language": "en",
        "syntax": "",
        "parallel": "",
        "translation": "",
        "query_language": "en",
        "types": ["acquire_knowledge"],
        "difficulties": ["high_school"],
        "length": "short",
        "words": 5,
        "clarity": "",
        "personas": ["A zookeeper."],
        "instruction": "Given a question, retrieve passages that answer it",
        "query": query,
        "positive": text,
        "positive_language": "en",
        "written_negatives": [],
        "written": ["query"],
        "type": "acquire_knowledge",
        "difficulty": "high_school",
        "persona": "A zookeeper.",
        "label": "",
        "similarity": None,
        "written_similarities": [],
        "templates": "t",
        "model": "m",
        "examples": [],
        "requests": [],
        "asked": 0,
        "cached_tokens": 0,
        "prompt_tokens": 0,
        "output_tokens": 0,
        **STATE,
    }
    return _changed(row, changes)


def planned(**changes: Any) -> dict[str, Any]:
    """A row of schemas.PLAN."""
    row = pair(**changes)
    return {name: row[name] for name in PLAN.names}


def scored(**changes: Any) -> dict[str, Any]:
    """A row of schemas.SCORED; candidates are given as (row, score)."""
    extra = {"cosine": changes.pop("cosine", 0.6), "rank": changes.pop("rank", 1)}
    extra["written_scores"] = changes.pop("written_scores", [])
    found = [{"row": row, "score": score} for row, score in changes.pop("candidates", [])]
    return {**pair(**changes), **extra, "candidates": found}


def clustered(**changes: Any) -> dict[str, Any]:
    """A row of schemas.CLUSTERED."""
    cluster = changes.pop("cluster", None)
    row = scored(**changes)
    return {**row, "cluster": cluster or row["id"]}


def reranked(**changes: Any) -> dict[str, Any]:
    """A row of schemas.RERANKED."""
    scores = {name: changes.pop(name) for name in ("positive_rerank", "candidate_reranks")}
    return {**clustered(**changes), **scores}


def mined(**changes: Any) -> dict[str, Any]:
    """A row of schemas.MINED with one negative."""
    found = {
        "negatives": ["Salt is white."], "negative_ids": ["p-salt"], "negative_scores": [0.5], "negative_kinds": ["mined"],
        "negative_similarities": [None], "positive_rerank": None, "negative_reranks": [None],
    }  # fmt: skip
    found |= {name: changes.pop(name) for name in list(found) if name in changes}
    row = {**clustered(**changes), **found}
    return {name: row[name] for name in MINED.names}


def passages(*rows: dict[str, Any]) -> pa.Table:
    return table(PASSAGES, rows)


def embeddings(*rows: dict[str, Any]) -> pa.Table:
    return table(PERSONAS, rows)


def pairs(*rows: dict[str, Any]) -> pa.Table:
    return table(PAIRS, rows)


def scores(*rows: dict[str, Any]) -> pa.Table:
    return table(SCORED, rows)


def clusters(*rows: dict[str, Any]) -> pa.Table:
    return table(CLUSTERED, rows)


def _changed(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    assert changes.keys() <= row.keys(), f"no such columns: {changes.keys() - row.keys()}"
    return row | changes


@contextlib.contextmanager
def indexed(folder: Path, texts: Sequence[str], documents: Sequence[str]) -> Iterator[PassageIndex]:
    """Open an index of passages that all have one vector."""
    rows = [embedded([1, 0], text=text, document_id=name) for text, name in zip(texts, documents, strict=True)]
    index.write([embeddings(*rows)], folder, threshold=0.8, ngram=5)
    with index.opened(folder) as opened:
        yield opened
