"""Runs of the scripted engine to report on: seconds, no model."""

from pathlib import Path
from typing import Any

from synth import config, runs
from synth.config import Config
from synth.progress import shown

CONFIG: dict[str, Any] = {
    "name": "toy",
    "seed": 3,
    "corpus": {
        "path": "examples/corpus/documents.jsonl",
        "columns": {"text": "text", "id": "id", "title": "title", "language": "language"},
        "licence": "CC0-1.0",
        "limit": 24,
    },
    "tasks": {
        "retrieval": {"rows_per_passage": 8, "query_languages": {"en": 2, "de": 1}, "choose": 2},
        "sts": {"rows_per_passage": 3},
    },
    "targets": [
        {"task": "retrieval", "language": {"en": 3, "de": 1}, "rows": 40},
        {"task": "sts", "rows": 12},
    ],
    "engine": {"kind": "scripted", "in_flight": 4, "junk": 0.1, "failing": 0.02},
    "embedder": {"kind": "hashing"},
    "score": {"max_rank": 3, "min_cosine": 0.12},
    "dedup": {"threshold": 0.45},
    "negatives": {"per_query": 3},
    "publish": {"licence": "CC-BY-4.0"},
    "max_failed": 1.0,
    "shard_rows": 6,
}


def settings(outputs: Path, **changes: Any) -> Config:
    return config.parse(Config, {**CONFIG, "outputs": str(outputs), **changes}, where="")


def ran(outputs: Path, **changes: Any) -> Config:
    made = settings(outputs, **changes)
    with shown() as display:
        runs.run(made, display)
    return made
