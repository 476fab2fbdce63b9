"""Passages for benchmarks, by rule: English sentences of examples/world, most of their words exchanged for others of it, so
that no two passages are alike, and a query is nearest to its own."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from synth.passages import sentences

_SOURCE = Path("examples/world/corpus/documents.jsonl")
_WORD = re.compile(r"[a-zA-Z]{4,}")
_EXCHANGED = 0.7


def passages(number: int, words: int, seed: int = 1) -> Iterator[str]:
    """Yield so many texts of about so many words each, the same each time."""
    draw = random.Random(seed)
    rows = [json.loads(line) for line in _SOURCE.read_text(encoding="utf-8").splitlines()]
    known = [text for row in rows if row["language"] == "en" for text in sentences(row["text"], "en")]
    vocabulary = sorted({word.lower() for text in known for word in _WORD.findall(text)})

    def other(word: re.Match[str]) -> str:
        return draw.choice(vocabulary) if draw.random() < _EXCHANGED else word[0]

    for _ in range(number):
        chosen, length = [], 0
        while length < words:
            chosen.append(draw.choice(known))
            length += len(chosen[-1].split())
        yield " ".join(_WORD.sub(other, text) for text in chosen)


def write(path: Path, number: int, words: int) -> None:
    """Write the passages as JSONL of id, language and text, unless they are there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".part")
    with making.open("w", encoding="utf-8") as out:
        for at, text in enumerate(passages(number, words)):
            out.write(json.dumps({"id": f"d{at}", "language": "en", "text": text}) + "\n")
    making.rename(path)
