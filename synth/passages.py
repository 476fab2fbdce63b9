"""Documents to passages: cleaned, and cut where a reader would cut them.

`clean` takes out what no reader sees; `split` cuts at paragraphs, else at sentences, else at words, else between
characters, and evens the pieces out; `estimate_tokens` measures without a tokenizer, since none need be at hand.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

_QUARTERS = 4
_EXTRA = (
    (re.compile(r"[0-9]+"), 3),
    (re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U000323af]+"), 3),
    (re.compile("[\u0370-\u1dff\u2070-\u2e7f\ua000-\ufaff\ufb07-\ufeff]+"), 1),
    (re.compile("[\U00010000-\U0001ffff]+"), 7),
)
"""What a character costs above a quarter of a token, in quarters: digits, Chinese and Japanese 3 (one token each);
other scripts than Latin 1 (two characters a token); emoji and rare scripts 7 (two tokens each)."""

# Characters per token, measured on XQuAD's paragraphs (and, from Russian on, on a few sentences of the Universal
# Declaration of Human Rights), by Mistral's tekken, a multilingual vocabulary of 131 072 such as today's LLMs have, and
# by SmolLM2's (49 152, English): en 4.67 4.64, de 4.22 2.73, es 4.28 2.94, zh 1.11 0.60, ar 3.34 1.06, ru 3.64 1.36,
# el 2.62 1.20, he 2.29 0.89, hi 3.12 0.94, th 1.93 0.53, ko 1.89 0.45, ja 1.35 0.56, fi 3.12 2.40, vi 3.63 1.23.
# The constants are the first column's, rounded down, so that a budget is seldom overrun; an English-only vocabulary
# needs 1.4 times (de, es) to about 4 times (ko) as many tokens as estimated here.

Cut = Callable[[str, str], Iterator[str]]
"""Cuts a text (in a language) into pieces that, joined again, are the text."""

_SEGMENT = 20_000
"""Characters given to the sentence splitter at once: on unbalanced quotes it takes quadratic time, 1.4 s for 100 000."""
_SLICES = re.compile(rf"(?s).{{1,{_SEGMENT}}}(?:\s|\Z)|.{{1,{_SEGMENT}}}")
_PARAGRAPHS = re.compile(r"(?s)(?:#{1,6} [^\n]*\n\s*)*.+?(?:\n[^\S\n]*\n\s*|\Z)")
"""Up to a blank line; a Markdown heading stays with what it is about."""
_WORDS = re.compile(r"\s*\S+\s*|\s+")
_CHARACTERS = re.compile("(?s).(?:[\u0300-\u036f\u200c\u200d\ufe0f]|(?<=\u200d).)*")
"""A character with its accents; emoji joined into one stay one."""

_BIDI_AND_INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""Controls, bidi marks, blanks of no width, fillers, lone surrogates, and tags: invisible text that a model would read."""
_JOINERS = re.compile("[\u200c\u200d]+")
_JOINING = re.compile(
    "[\u0600-\u08ff\u0900-\u109f\u1780-\u18af\u1900-\u1aff\ufb50-\ufdff\ufe0f\ufe70-\ufefc\u2190-\u27bf"
    "\U0001f000-\U0001faff]"
)
"""Where ZWNJ and ZWJ carry meaning: Arabic, Indic, South-East Asian and Mongolian scripts, and emoji."""
_NEW_LINES = re.compile("\r\n?|[\v\f\x85\u2028]")


def clean(text: str) -> str:
    """Return `text` in NFC, without invisible characters, with single blanks and at most one blank line in a row."""
    text = _NEW_LINES.sub("\n", text).replace("\u2029", "\n\n")
    text = _JOINERS.sub(_needed_joiner, _BIDI_AND_INVISIBLE.sub("", text))
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r" ?\n ?", "\n", re.sub(r"[^\S\n]+", " ", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _needed_joiner(match: re.Match[str]) -> str:
    start, end = match.span()
    before, after = match.string[max(0, start - 1) : start], match.string[end : end + 1]
    return match[0][0] if _JOINING.match(before) and _JOINING.match(after) else ""


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of `text` for a multilingual LLM, by script; over rather than under (English by 20 %)."""
    return -(-_cost(text) // _QUARTERS)


def _cost(text: str) -> int:
    """Cost in quarters of a token. It adds up: cost(a + b) = cost(a) + cost(b)."""
    patterns = _EXTRA[:1] if text.isascii() else _EXTRA
    return len(text) + sum(extra * sum(map(len, pattern.findall(text))) for pattern, extra in patterns)


def split(text: str, max_tokens: int, language: str = "und") -> list[str]:
    """Cut `text` into passages of at most `max_tokens` estimated tokens, evenly filled; no word is lost.

    Paragraphs stay whole where they fit, else sentences, else words. Only a single character (with its accents) may be
    over the budget. `language`, an ISO 639-1 code, tells the sentence splitter which abbreviations to expect.
    Lone surrogates must be out (see `clean`): the splitter takes UTF-8, and raises UnicodeEncodeError.
    """
    budget = max_tokens * _QUARTERS
    units = list(_units(text, budget, language, (_paragraphs, _sentences, _words, _characters)))
    return [piece for part in _pack(units, budget) if (piece := part.strip())]


@dataclass(frozen=True)
class _Unit:
    text: str
    cost: int
    ends_paragraph: bool = False


def _units(text: str, budget: int, language: str, cuts: tuple[Cut, ...]) -> Iterator[_Unit]:
    """Yield units that fit the budget, each as large as can be: what does not fit is cut by the next finer cut."""
    by, *finer = cuts
    found: list[_Unit] = []
    for piece in by(text, language):
        cost = _cost(piece)
        if cost > budget and finer:
            found += _units(piece, budget, language, tuple(finer))
        else:
            found.append(_Unit(piece, cost))
        if by is _paragraphs:
            found[-1] = replace(found[-1], ends_paragraph=True)
    if by in (_paragraphs, _sentences):
        yield from found
    else:  # of a sentence over the budget: packed here, so that its words spread evenly, apart from its neighbours
        for part in _pack(found, budget):
            yield _Unit(part, _cost(part))


def _paragraphs(text: str, _: str) -> Iterator[str]:
    return (match[0] for match in _PARAGRAPHS.finditer(text))


def sentences(text: str, language: str) -> list[str]:
    """Cut a passage into its sentences, without the blanks around them."""
    return [found for piece in _sentences(text, language) if (found := piece.strip())]


def _sentences(text: str, language: str) -> Iterator[str]:
    import sentencex

    for match in _SLICES.finditer(text):
        yield from sentencex.segment(language, match[0])


def _words(text: str, _: str) -> Iterator[str]:
    return (match[0] for match in _WORDS.finditer(text))


def _characters(text: str, _: str) -> Iterator[str]:
    return (match[0] for match in _CHARACTERS.finditer(text))


def _pack(units: list[_Unit], budget: int) -> Iterator[str]:
    """Join neighbouring units up to the budget, all parts about as full as each other.

    The target is what is left over the number of parts that it needs; so the last part is no tiny rest. A part that
    ends with a paragraph may end a quarter of the target early.
    """
    left = sum(unit.cost for unit in units)
    part: list[str] = []
    cost = target = 0
    paragraph_ends = False
    for unit in units:
        short, over = target - cost, cost + unit.cost - target
        early = target // 4 if paragraph_ends else 0
        if part and (cost + unit.cost > budget or short <= over or short <= early):
            yield "".join(part)
            left -= cost
            part, cost = [], 0
        if not part:
            target = left // max(1, -(-left // budget))
        part.append(unit.text)
        cost += unit.cost
        paragraph_ends = unit.ends_paragraph
    if part:
        yield "".join(part)
