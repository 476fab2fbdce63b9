"""`parrots_example`: the prompt's own worked example, given back for a passage that has nothing to do with it."""

import json
from collections.abc import Iterator, Sequence, Set
from difflib import SequenceMatcher
from functools import lru_cache

import pyarrow as pa
from pydantic import Field

from synth.filters import TEXTS
from synth.settings import Strict
from synth.text import is_unspaced, words

_NGRAM = 3
"""Characters: long enough to tell words apart, and a changed ending costs little."""

JUDGES = TEXTS


class Settings(Strict):
    max_overlap: float = Field(0.6, gt=0, le=1)
    """A larger share of the character 3-grams of query and example (Jaccard) is near enough to be the same."""
    max_run: int = Field(5, ge=1)
    """So is a longer run of common words: "Why does steel rise slowly in a cold kitchen?". Shorter ones may be
    anyone's, as "What is the difference between"."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    return [_verdict(row, settings) for row in rows.select(["query", "passage", "title", "examples"]).to_pylist()]


def _verdict(row: dict[str, object], settings: Settings) -> str | None:
    query = words(str(row["query"]))
    known: set[str] | None = None
    for example, text in _texts(tuple(row["examples"])):  # type: ignore[arg-type]
        shared = _shared(query, text.split(), settings)
        if not shared:
            continue
        known = known or set(words(f"{row['title']} {row['passage']}"))
        # Only words that carry meaning: "what", "the" and "of" of an example are anyone's.
        telling = {word for word in shared if len(word) >= 4 or is_unspaced(word)}
        # A passage that has most of them itself may well be asked what the example asks.
        if 2 * len(telling - known) > len(telling):
            return f"parrots_example: {example}"
    return None


def _shared(query: Sequence[str], example: Sequence[str], settings: Settings) -> Set[str]:
    """Return the words that make `query` look like `example`; none when it does not."""
    a, b = _ngrams(" ".join(query)), _ngrams(" ".join(example))
    if len(a & b) > settings.max_overlap * len(a | b):
        return {*query} & {*example}
    run = SequenceMatcher(None, query, example, autojunk=False).find_longest_match()
    letters = 2 if is_unspaced("".join(example)) else 1
    return {*query[run.a : run.a + run.size]} if run.size > settings.max_run * letters else set()


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
