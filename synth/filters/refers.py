"""`refers_to_passage`: a query that speaks of the passage, its author or the exercise, which no searcher has before them.

"Which passage did Magellan sail through?" and "What text did Luther translate?" are about the world, and pass: so it
is always a determiner and a noun that count, without a complement ("the text of the treaty").
"""

import re

import pyarrow as pa

from synth.filters import QUESTIONS
from synth.settings import Strict
from synth.text import normalise, one_of

JUDGES = QUESTIONS


class Settings(Strict):
    """None: the patterns stand in the module."""


_NOUN = one_of("passage paragraph excerpt text article document essay snippet") + "s?"
_SAYS = (
    one_of("say state mention describe discuss suggest explain argue tell talk refer provide conclude imply")
    + r"(?:e?s)?\b"
)
_THIS = one_of("[Tt]his [Tt]hese [Gg]iven [Aa]bove [Ff]ollowing [Pp]receding [Pp]rovided")
_WHERE = one_of("of to through from between by into over across under along around for")

# Case kept: "the Passage", "Article 5" are names. Sentences start with "The" and "This".
_ENGLISH = (
    rf"[Tt]he (?:passage|paragraph|excerpt|snippet)s?\b(?! {_WHERE}\b)",
    rf"{_THIS} (?:{_NOUN}|story|section|sentence)\b",
    rf"[Aa]ccording to (?:the|this) (?:{_NOUN}|author|writer|information|context|source|story)\b(?! (?:of|by|on)\b)",
    rf"[Tt]he {_NOUN} (?:{_SAYS}|(?:is about|above|below|provided)\b)",
    rf"(?:in|from|based on|about) the {_NOUN}(?=\W*$|,)",
    rf"[Tt]he (?:author|narrator|writer) {_SAYS}",
    r"(?:does|did) the (?:author|narrator|writer)\b(?! of\b)",
)
# From here on patterns see normalised text: no case, no accents.
_LABEL = one_of(
    """question query answer topic title keywords? summary passage q a frage antwort pregunta respuesta 问题 答案 سؤال"""
)
_META = (
    rf"\bfollowing {one_of('sentence statement question word phrase option example list is are best describe')}",
    r"\bof the following\b",
    r"\b(?:correct|right) (?:answer|option)\b",
    r"\banswers? (?:to )?(?:the|this) question\b",
    r"\b(?:question|query) (?:that|which) (?:asks|is answered)\b",
    r"\byes[ -]or[ -]no question\b",
    r"\b(?:information|context|details) (?:provided|given|above)\b",
    r"^as an ai\b",
    r"^(?:sure|certainly|of course)[,!]",
    r"^here(?:'s| is| are) .*\b(?:quer|question|keyword)",
    rf"^(?:the )?(?:search )?{_LABEL} ?:",
)
_DE = one_of("text textes textabschnitts? abschnitts? absatz(?:es)? artikels? dokuments? auszugs? textpassage passage")
_DE_SAYS = one_of("sagt besagt beschreibt erwahnt behandelt nennt")
_ES = one_of("texto pasaje parrafo fragmento articulo documento")
_ES_SAYS = one_of("dice menciona describe afirma explica")
_FR = one_of("texte passage paragraphe extrait article document")
_PT = one_of("texto trecho paragrafo artigo documento")
_IT = one_of("testo brano paragrafo articolo documento passaggio")
_ZH = one_of("文章 文字 文本 短文 段落 段文 课文 材料 文档 篇文 句子 选项")
_AR = one_of("نص مقال مقالة فقرة")
_OTHERS = (
    rf"\b(?:obige|vorliegende|gegebene|folgende|diese)[mnrs]? {_DE}\b",
    rf"\b(?:im|in dem|laut(?: dem)?|gemass dem) {_DE}\b(?! (?:de[rs]|von|zu[mr]?|\d))",
    rf"\b(?:der|dem) (?:{_DE}|autor) {_DE_SAYS}\b|\b{_DE_SAYS} der (?:{_DE}|autor)\b(?! (?:de[rs]|von)\b)",
    rf"\b(?:del|el) {_ES} {one_of('anterior siguiente dado proporcionado mencionado')}\b",
    rf"\b(?:(?:en|segun) (?:el|este)|este) {_ES}\b(?! (?:del?|que|\d))",
    rf"\bel (?:{_ES}|autor) {_ES_SAYS}\b|\b{_ES_SAYS} (?:el|este) (?:{_ES}|autor)\b(?! (?:del?|que|\d))|\bsegun el autor\b(?! de)",
    rf"\b(?:cet?|(?:selon|d'apres|dans) (?:le |l'|cet? ))\s?{_FR}\b(?! (?:d[eu]|des|d'|qu|\d))",
    rf"\b(?:n?este|deste|no|segundo o|de acordo com o) {_PT}\b(?! (?:d[eoa]|que|\d))",
    rf"\b(?:questo|nel|secondo il|in base al) {_IT}\b(?! (?:di|del|dell|che|da|\d))",
    rf"(?:这|该|本|上述|此|以下|下面|下列|给定|所给)(?:一?[篇段个份则]|的)?{_ZH}|(?:以下|下列|下面)(?:问题|哪)",
    r"(?:^|[,、在从据])文中|文章中|^本文|根据(?:文章|短文|文本|段落|上文|本文)|作者(?:认为|提到|指出|说)",
    rf"(?:هذا|هذه|في|حسب|وفقا|بحسب|طبقا|وفق) ?(?:ال|لل){_AR}\b(?! (?:ال|من))|(?:يذكر|يقول|ذكر) (?:النص|المقال|الكاتب)\b",
)
_CASED = re.compile(rf"\b(?:{'|'.join(_ENGLISH)})")
_FOLDED = re.compile("|".join(_META + _OTHERS))


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    return [_verdict(query) for query in rows.column("query").to_pylist()]


def _verdict(query: str) -> str | None:
    found = _CASED.search(query) or _FOLDED.search(normalise(query).replace("’", "'"))
    return f"refers_to_passage: {found[0].strip()}" if found else None
