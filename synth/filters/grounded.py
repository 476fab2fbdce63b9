"""`ungrounded`: a number or a name that the passage does not have: the query presupposes what its positive does not say.

Judged only where query and passage are in one language: names and numerals are written differently in another.
"""

import re
import unicodedata
from collections.abc import Iterator, Set
from difflib import get_close_matches
from itertools import pairwise

import pyarrow as pa

from synth.filters import QUESTIONS
from synth.settings import Strict
from synth.text import normalise, words

JUDGES = QUESTIONS


class Settings(Strict):
    names: bool = True
    """Judge capitalised words in the middle of a query, in languages that capitalise nothing but names."""
    numbers: bool = True
    """Judge numbers over ten; smaller ones count what was asked for ("3 reasons") or are written as words."""


_CAPITALISES_NAMES = frozenset(
    ("en", "es", "fr", "it", "pt", "nl", "ca", "gl", "ro", "pl", "cs", "sv", "da", "no", "nb", "fi")
)

_ANYONES = frozenset(
    normalise(
        """i i'm i'd i've january february march april may june july august september october november december monday
        tuesday wednesday thursday friday saturday sunday english french german spanish latin greek american british
        european african asian indian chinese us usa uk u.s u.s.a u.k eu un united states kingdom america europe africa
        asia atlantic pacific mediterranean estados unidos earth tierra mundo world god bible internet web wikipedia
        google nobel celsius fahrenheit mr mrs ms dr sir st king queen president war ww2 wwii north south east west
        northern southern eastern western norte sur este oeste oriente century middle age ages edad siglo ad bc ce bce
        am pm dna rna tv ok faq pdf ii iii iv vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx xxi"""
    ).split()
)
"""Capitalised words that say nothing a passage would have to say; years' and Roman numerals, places of the whole world."""

_MARKS = "\"“”„«»'‘’()[]¿?¡!.,:;"

_NUMBER = re.compile(r"\d+(?:[.,٫٬’'\u00a0\u202f]\d+)*")
_SAID = {
    "en": "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty",
    "de": "elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn neunzehn zwanzig",
    "es": "once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve veinte",
}
_TENS = {
    "en": "thirty forty fifty sixty seventy eighty ninety hundred",
    "de": "dreissig vierzig funfzig sechzig siebzig achtzig neunzig hundert",
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
}
_NUMERALS = {
    word: str(number)
    for language in _SAID
    for number, word in [
        *enumerate(_SAID[language].split(), 11),
        *zip(range(30, 101, 10), _TENS[language].split(), strict=True),
    ]
}


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    columns = ["query", "passage", "title", "query_language", "passage_language"]
    return [_verdict(**row, settings=settings) for row in rows.select(columns).to_pylist()]


def _verdict(
    query: str, passage: str, title: str, query_language: str, passage_language: str, settings: Settings
) -> str | None:
    if query_language != passage_language:
        return None
    text = f"{title}\n{passage}"
    if settings.numbers and (number := _strange_number(query, text)):
        return f"ungrounded: {number}"
    if settings.names and query_language in _CAPITALISES_NAMES and (name := _strange_name(query, text)):
        return f"ungrounded: {name}"
    return None


def _strange_number(query: str, text: str) -> str | None:
    if not any(c.isdigit() for c in query):
        return None
    known = {value for number in _NUMBER.findall(text) for value in _values(number)}
    known |= {_NUMERALS[word] for word in words(text) if word in _NUMERALS}
    known |= {a[:2] + c for a, c in re.findall(r"\b(\d{4})[–-](\d\d)\b", text)}  # 1898–99
    for year in [value for value in known if len(value) == 4]:
        known |= {
            year[:3] + "0",
            year[:2] + "00",
            str(int(year[:2]) + 1),
        }  # 1843: the 1840s, the 1800s, the 19th century
    for number in _NUMBER.findall(query):
        whole, *parts = _values(number)
        small = len(whole) < 2 or whole == "10"
        if not (small or whole in known or known.issuperset(parts) or any(value.endswith(whole) for value in known)):
            return str(number)
    return None


def _values(number: str) -> Iterator[str]:
    """Yield the digits of a number and of its parts: 1,000 is 1000, but 12.5 may be asked as 12."""
    yield _digits(number)
    yield from (_digits(part) for part in re.split(r"\D", number))


def _digits(number: str) -> str:
    return "".join(str(unicodedata.digit(c)) for c in number if c.isdigit()).lstrip("0")


def _strange_name(query: str, text: str) -> str | None:
    names = list(_names(query))
    if not names:
        return None
    found = words(text.replace("'s", "").replace("’s", ""))
    known, initials = frozenset(found), "".join(word[0] for word in found)
    # Of a name of several words one is enough: "the New World" for a passage with "world", "John Sheepshanks" for "John"
    return next((" ".join(name) for name in names if not any(_is_known(part, known, initials) for part in name)), None)


def _names(query: str) -> Iterator[list[str]]:
    """Yield runs of words with a capital that no beginning of a sentence or quotation gave them; none of a Title Case
    Query."""
    tokens = query.split()
    if all(token[0].isupper() for token in tokens if len(token) > 3 and token[0].isalpha()):
        return
    name: list[str] = []
    for before, token in pairwise(tokens):
        if token[0].isupper() and before[-1] not in ".:?!¿¡—":
            name.append(re.sub(r"['’]s?$", "", token.strip(_MARKS)))
        elif name:
            yield name
            name = []
    if name:
        yield name


def _is_known(name: str, known: Set[str], initials: str) -> bool:
    """Whether the text has a word, or a part of it: itself, of the same stem, nearly so written, or what it abbreviates."""
    joined = "".join(words(name))
    if normalise(name) in _ANYONES or joined in known or (name.isupper() and len(joined) > 1 and joined in initials):
        return True
    return any(part in _ANYONES or _has_kin(part, known) for part in words(name))


def _has_kin(word: str, known: Set[str]) -> bool:
    """Whether a word of the text begins like `word` (Norway, Norwegian) or is a slip away from it (Ghandi, Gandhi)."""
    if word in known or len(word) < 3:
        return word in known
    stem = word[: max(3, min(len(word) - 2, 5))]
    return any(other.startswith(stem) for other in known) or bool(get_close_matches(word, known, n=1, cutoff=0.8))
