"""A small config on disk, and what a command over it came to."""

from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from synth import cli

CONFIG = {
    "name": "toy",
    "corpus": {
        "path": "examples/corpus/documents.jsonl",
        "columns": {"text": "text", "id": "id", "title": "title", "language": "language"},
        "limit": 12,
    },
    "tasks": {"retrieval": {"rows_per_passage": 2}},
    "engine": {"kind": "scripted"},
    "embedder": {"kind": "hashing"},
    "score": {"max_rank": 5, "min_cosine": 0.05},
    "shard_rows": 5,
}


def config(folder: Path, name: str = "toy.yaml", **settings: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump({**CONFIG, "outputs": str(folder / "outputs"), **settings}))
    return path


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(one) for one in arguments])
