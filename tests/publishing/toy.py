"""A run of the scripted engine to publish: seconds, no model."""

from pathlib import Path
from typing import Any

from synth import config, runs
from synth.config import Config
from synth.progress import shown


def settings(folder: Path, **corpus: Any) -> Config:
    found = {
        "name": "toy",
        "outputs": str(folder / "outputs"),
        "corpus": {
            "path": "examples/corpus/documents.jsonl",
            "columns": {"text": "text", "id": "id", "title": "title", "language": "language"},
            "licence": "CC0-1.0",
            "limit": 12,
            **corpus,
        },
        "tasks": {"retrieval": {}},
        "engine": {"kind": "scripted"},
        "embedder": {"kind": "hashing"},
        "score": {"max_rank": None, "min_cosine": 0.0},
        "publish": {"licence": "CC-BY-4.0"},
    }
    return config.parse(Config, found, where="")


def ran(folder: Path, **corpus: Any) -> Config:
    made = settings(folder, **corpus)
    with shown() as display:
        runs.run(made, display)
    return made
