"""What each driver is given, and what it hands back."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Given:
    url: str
    """Of the server, up to and including /v1."""
    prompts: Path
    """JSONL: a prompt per line, under `prompt`."""
    corpus: Path
    """JSONL: the passages that the prompts were rendered of."""
    folder: Path
    """To write to."""
    in_flight: int
    profile: bool
    checkpoints: bool

    def texts(self) -> list[str]:
        return [json.loads(line)["prompt"] for line in self.prompts.read_text(encoding="utf-8").splitlines()]


def given() -> Given:
    parser = argparse.ArgumentParser()
    for name, kind in (("url", str), ("prompts", Path), ("corpus", Path), ("folder", Path), ("in-flight", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    for name in ("profile", "checkpoints"):
        parser.add_argument(f"--{name}", action="store_true")
    return Given(**vars(parser.parse_args()))


def report(seconds: float, answers: int, **more: Mapping[str, Any]) -> None:
    """Print the last line: how long it took from the first request to the last answer (kept, where answers are kept)."""
    print(json.dumps({"seconds": seconds, "answers": answers, **more}), flush=True)
