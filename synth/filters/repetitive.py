"""`repetitive`: a loop that the model could not leave."""

import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
from pydantic import Field

from synth.filters import TEXTS
from synth.settings import Strict
from synth.text import is_unspaced, words

# An n-gram repeated so often is a loop. People do write "the University of ... the University of" (3 words twice) and,
# in a word of its own, "the" five times. Of XQuAD's 5 x 1,190 human questions these limits touch 2.
_SPACED = {2: 3, 4: 2}
_UNSPACED = {3: 3, 8: 2}
"""Letters are words here, so that the n-grams are longer."""


_SELF = re.compile(r"\b(\w+ \w+(?: \w+){0,3}) (?:and|or|und|oder|y|o|et|ou|e) \1\b")
""""Between a Turing machine and a Turing machine": of two words at least, since people say "more and more"."""

JUDGES = TEXTS


class Settings(Strict):
    min_distinct: float = Field(0.5, ge=0, le=1)
    """Lowest share of distinct words among all, of queries of eight words and more."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    return [_verdict(query, settings) for query in rows.column("query").to_pylist()]


def _verdict(query: str, settings: Settings) -> str | None:
    found = words(query)
    unspaced = is_unspaced(query)
    for n, limit in (_UNSPACED if unspaced else _SPACED).items():
        grams = Counter(gram for gram in zip(*(found[i:] for i in range(n)), strict=False) if unspaced or _tells(gram))
        if grams and (top := grams.most_common(1)[0])[1] >= limit:
            return f"repetitive: {top[1]} x {('' if unspaced else ' ').join(top[0])}"
    if loop := _SELF.search(" ".join(found)):
        return f"repetitive: {loop[0]}"
    if _stutters(found) or (len(found) >= 8 and len(set(found)) < settings.min_distinct * len(found)):
        return f"repetitive: {len(set(found))} of {len(found)} words distinct"
    return None


def _tells(gram: Sequence[str]) -> bool:
    """Whether the n-gram has a word with a meaning: three times "of the" is no loop."""
    return any(len(word) >= 4 or word.isdigit() for word in gram)


def _stutters(found: Sequence[str]) -> bool:
    """Whether a word of letters stands three times in a row."""
    return any(a == b == c and _of_letters(a) for a, b, c in zip(found, found[1:], found[2:], strict=False))


def _of_letters(word: str) -> bool:
    """Whether a word has no digit: vowel signs of Indic scripts are no letters to `str.isalpha`."""
    return all(letter.isalpha() or not letter.isalnum() for letter in word)
