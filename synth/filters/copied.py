"""`copied`: a query lifted from its passage instead of asked about it.

Such a pair teaches an embedder to match words, which it can do already. A query may share names and phrases with its
passage, and keywords mostly come from it: what counts is the length of unbroken runs.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pydantic import Field

from synth.filters import QUESTIONS
from synth.settings import Strict
from synth.text import is_unspaced, words

JUDGES = QUESTIONS


class Settings(Strict):
    max_run: int = Field(12, ge=1)
    """A run of more consecutive words of the passage is copied. Measured on XQuAD, whose questioners had the paragraph
    before them and leaned on it: both rules together reject 0.3 to 1.0 % of their questions in each of five languages."""
    max_share: float = Field(0.85, ge=0, le=1)
    """So is a query of ten words and more of which a larger share lies in runs of five words and more. Shorter ones may
    be mostly a name, as in "Who founded the Office of Western Medicine?"."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    pairs = zip(rows.column("query").to_pylist(), rows.column("passage").to_pylist(), strict=True)
    return [_verdict(query, passage, settings) for query, passage in pairs]


def _verdict(query: str, passage: str, settings: Settings) -> str | None:
    # Two letters to a word, rather than 1.6: Chinese names that were transliterated are long.
    letters = 2 if is_unspaced(query) else 1
    glue = "" if letters == 2 else " "
    found = words(query)
    runs = sorted(_runs(found, words(passage), least=5 * letters), key=len)
    if not runs:
        return None
    longest, shared = runs[-1], sum(map(len, runs))
    if len(longest) > settings.max_run * letters:
        return f"copied: {glue.join(longest)}"
    if len(found) >= 10 * letters and shared > settings.max_share * len(found):
        return f"copied: {shared} of {len(found)} words, as in {glue.join(longest)!r}"
    return None


def _runs(query: Sequence[str], passage: Sequence[str], *, least: int) -> Iterator[Sequence[str]]:
    """Yield the unbroken runs of `least` words and more that `query` shares with `passage`, left to right."""
    grams: dict[tuple[str, ...], list[int]] = {}
    for i in range(len(passage) - least + 1):
        grams.setdefault(tuple(passage[i : i + least]), []).append(i + least)
    start = 0
    while start + least <= len(query):
        ends = grams.get(tuple(query[start : start + least]), [])
        length = max((least + _common(query[start + least :], passage[end:]) for end in ends), default=0)
        if length:
            yield query[start : start + length]
        start += length or 1


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """Count the words that `a` and `b` have in common at their start."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
