"""`parrots_example`: the prompt's own worked example, given back for a passage that has nothing to do with it."""

import json
from collections.abc import Iterator, Set
from functools import lru_cache

import pyarrow as pa
from pydantic import Field

from synth.config import Strict
from synth.text import is_unspaced, words

_NGRAM = 3
"""Characters: long enough to tell words apart, and a changed ending costs little."""


class Settings(Strict):
    max_overlap: float = Field(0.6, gt=0, le=1)
    """A larger share of the character 3-grams of query and example (Jaccard) is near enough to be the same."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    return [_verdict(row, settings) for row in rows.select(["query", "passage", "title", "examples"]).to_pylist()]


def _verdict(row: dict[str, object], settings: Settings) -> str | None:
    query = words(str(row["query"]))
    grams = _ngrams(" ".join(query))
    known: set[str] | None = None
    for example, text in _texts(tuple(row["examples"])):  # type: ignore[arg-type]
        if not _near(grams, _ngrams(text), settings.max_overlap):
            continue
        known = known or set(words(f"{row['title']} {row['passage']}"))
        # Only words that carry meaning: "what", "the" and "of" of an example are anyone's.
        telling = {word for word in {*query} & {*text.split()} if len(word) >= 4 or is_unspaced(word)}
        # A passage that has most of them itself may well be asked what the example asks.
        if 2 * len(telling - known) > len(telling):
            return f"parrots_example: {example}"
    return None


def _near(a: Set[str], b: Set[str], max_overlap: float) -> bool:
    return bool(a) and len(a & b) > max_overlap * len(a | b)


def _ngrams(text: str) -> set[str]:
    return {text[i : i + _NGRAM] for i in range(len(text) - _NGRAM + 1)}


@lru_cache(maxsize=64)  # all rows of a task have the same examples
def _texts(examples: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the string values of worked answers of at least two words, with their normalised words."""
    found = {text: words(text) for answer in examples for text in _strings(answer)}
    return [(text, " ".join(its)) for text, its in found.items() if len(its) >= 2]


def _strings(answer: str) -> Iterator[str]:
    """Yield the string values of a JSON object; of what is no JSON object, the whole."""
    try:
        value = json.loads(answer)
    except json.JSONDecodeError:
        value = answer
    yield from (v for v in (value.values() if isinstance(value, dict) else [answer]) if isinstance(v, str))
