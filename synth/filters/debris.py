"""`debris`: rests of markup or machinery, and queries that begin or end in the middle of something."""

import re

import pyarrow as pa
from pydantic import Field

from synth.filters import TEXTS
from synth.filters._questions import has_question_mark
from synth.settings import Strict
from synth.text import count_words

JUDGES = TEXTS


class Settings(Strict):
    max_open_words: int = Field(18, ge=1)
    """More words than these, and than were asked for, without an end mark were cut off, unless keywords were asked for:
    the model came to the limit of its answer. Of XQuAD's 1,190 English questions none is so long without a mark."""


_MACHINERY = re.compile(
    r"<\|[^>]{0,30}\|?>|</?s>|\[/?INST\]|<<SYS>>|</?think>|\}\s*(?:user|assistant|system)\b"
    r"|(?:^|[}.?!\n]\s*)(?:assistant|user|system|human) ?:|\{\{|\}\}|\{%|%\}|https?://|\bwww\.|```"
    r"|\\n(?![a-z])|\\u[0-9a-f]{4}|\\\"|\*\*[^*]+\*\*|&(?:amp|lt|gt|quot|nbsp|#\d+);",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[{}]|</?[A-Za-z][^<>]*>|^#+ ")
"""Debris unless the passage has it too: one may ask about code."""
# U+200B to U+200F stay: Thai and Khmer break lines at a zero-width space (and 1 % of XQuAD's German questions have one);
# Persian, Hindi, Arabic and emoji are written with joiners and direction marks.
_HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffd\ue000-\uf8ff\U000e0000-\U000e007f]"
)

_BRACKETS = ("()", "[]", "（）", "「」", "『』", "《》", "【】")
_MIDDLE_START = re.compile(r"(?:\.\.|…|[,;:!?)\]}|=>，。、；：！？）」』》】])")
_SECOND_HALF = re.compile(r"(?:is|are|was|were|has|have|had|been|does|did|and|but|nor|than)\s")
_MIDDLE_END = re.compile(r"(?:\.\.|[,;:&=(\[{“„«‹「『《¿¡…，、；：（【–—-])$")
_LOOSE_ENDS = {
    "en": r"the|an|and|or|nor|than|because|whose|their|its|our|my|your|us(?:e|es|ed|ing) the (?:term|word|phrase|name|title)",
    "de": r"und|oder|sowie|eine[mnrs]?|de[mnrs]|die|im|am|zum|zur|vom|beim",
    "es": r"el|la|los|las|un|una|unos|unas|de|del|en|con|por|para|que|al|su|sus",
    "fr": r"le|la|les|un|une|des|de|du|et|ou|dans|avec|pour|par|au|aux",
    "pt": r"os|um|uma|de|do|da|dos|das|em|com|para|por|na",
    "it": r"il|gli|un|una|di|del|della|con|per|nel|nella",
    "ar": r"في|على|إلى|التي|الذي|أو",
}
"""Last words that something must follow, capitals and accents kept: `OR` is a state, `qué` a question word."""
_LOOSE_PREPOSITION = re.compile(r"\s(?:of|with|from|into|between|called|named|by|for|as|that|to)$")
_QUESTION_WORD = re.compile(r"\b(?:what|who|whom|whose|which|when|where|why|how)\b", re.IGNORECASE)
"""English questions may end in a preposition ("who did he work for"), other texts may not."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    columns = ["query", "passage", "type", "query_language", "words"]
    seen = (_debris(**row, settings=settings) for row in rows.select(columns).to_pylist())
    return [f"debris: {what}" if what else None for what in seen]


def _debris(query: str, passage: str, type: str, query_language: str, words: int, settings: Settings) -> str | None:
    if found := _MACHINERY.search(query):
        return found[0]
    if found := next((found for found in _MARKUP.finditer(query) if found[0] not in passage), None):
        return found[0]
    if found := _HIDDEN.search(query):
        return f"U+{ord(found[0]):04X}"
    query = query.strip()
    return _unbalanced(query) or _middle(query, type, query_language, max(settings.max_open_words, words))


def _unbalanced(query: str) -> str | None:
    """Find a quote or bracket that has no other half. A `"` after a digit means inches."""
    for pair in _BRACKETS:
        if query.count(pair[0]) != query.count(pair[1]):
            return f"unbalanced {pair}"
    if len(re.findall(r'(?<!\d)"', query)) % 2 and query.count('"') % 2:
        return 'unbalanced "'
    if sum(query.count(mark) for mark in "“”„") % 2 or query.count("«") != query.count("»"):
        return "unbalanced quotes"
    return None


def _middle(query: str, type: str, language: str, max_open_words: int) -> str | None:
    asks = has_question_mark(query)
    if (found := _MIDDLE_START.match(query)) or (
        language == "en" and type not in ("keywords", "yes_or_no") and not asks and (found := _SECOND_HALF.match(query))
    ):
        return f"begins in the middle: {found[0].strip()}"
    if (found := _MIDDLE_END.search(query)) and not (found[0] == "“" and "„" in query):  # it closes in German
        return f"ends in the middle: {found[0]}"
    if language in _LOOSE_ENDS and (found := re.search(rf"(?:^|\s)(?:{_LOOSE_ENDS[language]})$", query)):
        return f"ends in the middle: {found[0].strip()}"
    if language == "en" and not _QUESTION_WORD.search(query) and (found := _LOOSE_PREPOSITION.search(query)):
        return f"ends in the middle: {found[0].strip()}"
    if type != "keywords" and count_words(query) > max_open_words and not re.search(r'[.!?？。！؟"”»)]$', query):
        return "ends without a mark"
    return None
