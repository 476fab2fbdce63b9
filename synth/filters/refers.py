"""`refers_to_passage`: a query that speaks of the passage, its author or the exercise, which no searcher has before them.

"Which passage did Magellan sail through?" and "What text did Luther translate?" are about the world, and pass: so it
is always a determiner and a noun that count, without a complement ("the text of the treaty").
"""

import re

import pyarrow as pa

from synth.config import Strict
from synth.text import normalise


class Settings(Strict):
    """None: the patterns stand in the module."""


_NOUN = r"(?:passage|paragraph|excerpt|text|article|document|essay|snippet)s?"
_SAYS = (
    r"(?:say|state|mention|describe|discusse?|suggest|explain|argue|tell|talk|refer|provide|conclude|impl(?:y|ie))s?\b"
)

# Case kept: "the Passage", "Article 5" are names. Sentences start with "The" and "This".
_ENGLISH = [
    r"\b[Tt]he (?:passage|paragraph|excerpt|snippet)s?\b(?! (?:of|to|through|from|between|by|into|over|across|under"
    r"|along|around|for)\b)",
    rf"\b(?:[Tt]his|[Tt]hese|[Gg]iven|[Aa]bove|[Ff]ollowing|[Pp]receding|[Pp]rovided) (?:{_NOUN}|story|section)\b",
    rf"\b[Aa]ccording to (?:the|this) (?:{_NOUN}|author|writer|information|context|source|story)\b(?! (?:of|by|on)\b)",
    rf"\b[Tt]he (?:{_NOUN}) (?:{_SAYS}|is about\b)|\b(?:does|did|do) the {_NOUN} {_SAYS}",
    rf"\b(?:in|from|based on|about) the (?:{_NOUN})(?=\W*$|,)|\b[Tt]he (?:{_NOUN}) (?:above|below|provided)\b",
    rf"\b[Tt]he (?:author|narrator|writer) {_SAYS}|\b(?:does|did) the (?:author|narrator|writer)\b(?! of\b)",
]
_META = [
    r"\bfollowing (?:sentence|statement|question|word|phrase|option|example|list|is|are|best|describe)",
    r"\bof the following\b",
    r"\b(?:correct|right) (?:answer|option)\b",
    r"\banswers? (?:to )?(?:the|this) question\b",
    r"\b(?:question|query) (?:that|which) (?:asks|is answered)\b",
    r"\byes[ -]or[ -]no question\b",
    r"\b(?:information|context|details) (?:provided|given|above)\b",
    r"^as an ai\b",
    r"^(?:sure|certainly|of course)[,!]",
    r"^here(?:'s| is| are) .*\b(?:quer|question|keyword)",
    r"^(?:the )?(?:search )?(?:question|query|answer|topic|title|keywords?|summary|passage|q|a|frage|antwort"
    r"|pregunta|respuesta|问题|答案|سؤال) ?:",
]
_OTHERS = [  # on normalised text: no accents
    # German
    r"\b(?:(?:im|in dem|dies(?:er|es|em|en)|laut(?: dem)?|dem|der|den|des) )?(?:obige|vorliegende|gegebene"
    r"|dies)(?:[mnrs]|e[mnrs]) (?:text|textes|textabschnitts?|abschnitts?|absatz(?:es)?|artikels?|dokuments?"
    r"|auszugs?|textpassage|passage)\b",
    r"\b(?:im|laut(?: dem)?|gemass dem) (?:text|textabschnitt|absatz|artikel|dokument|auszug)\b(?! (?:de[rs]|von"
    r"|zu[mr]?|\d))",
    r"\b(?:der|dem) (?:text|artikel|abschnitt|absatz|autor) (?:sagt|besagt|beschreibt|erwahnt|behandelt)\b",
    r"\b(?:sagt|besagt|beschreibt|erwahnt|behandelt|nennt) der (?:text|artikel|abschnitt|absatz"
    r"|autor)\b(?! (?:de[rs]|von)\b)",
    # Spanish
    r"\b(?:este|segun el|en el|del|el) (?:texto|pasaje|parrafo|fragmento|articulo|documento) (?:anterior|siguiente"
    r"|dado|proporcionado|mencionado)\b",
    r"\b(?:en este|segun el|segun este|este|en el) (?:texto|pasaje|parrafo|fragmento|articulo|documento)\b(?! (?:de"
    r"|del|que|\d))",
    r"\b(?:el|la) (?:texto|pasaje|parrafo|articulo|autora?) (?:dice|menciona|describe|afirma|habla|explica)\b"
    r"|\bsegun el autor\b(?! de)",
    r"\b(?:dice|menciona|describe|afirma|explica) (?:el|este) (?:texto|pasaje|parrafo|articulo|autor)\b(?! de)",
    # French, Portuguese, Italian
    r"\b(?:ce|cet|(?:selon|d'apres|dans) (?:le |l'|ce |cet ))\s?(?:texte|passage|paragraphe|extrait|article"
    r"|document)\b(?! (?:de|du|des|d'|qu|\d))",
    r"\b(?:este|neste|deste|no|segundo o|de acordo com o) (?:texto|trecho|paragrafo|artigo|documento)\b(?! (?:de|do"
    r"|da|que|\d))",
    r"\b(?:questo|nel|secondo il|in base al) (?:testo|brano|paragrafo|articolo|documento|passaggio)\b(?! (?:di|del"
    r"|dell|che|da|\d))",
    # Chinese
    r"(?:这|该|本|上述|此|以下|下面|下列|给定|所给)(?:一?[篇段个份则]|的)?(?:文章|文字|文本|短文|段落|段文|课文|材料|文档|篇文|句子|选项)|(?:以下|下列|下面)问题",
    r"(?:^|[,，、在从据])文中|文章中|^本文|根据(?:文章|短文|文本|段落|上文|本文)|作者(?:认为|提到|指出|说了?什么)|(?:以下|下列|下面)哪",
    # Arabic
    r"(?:هذا|هذه|في|حسب|وفقا|بحسب|طبقا|وفق) ?(?:ال|لل)(?:نص|مقال|مقالة|فقرة)\b(?! (?:ال|من))|(?:يذكر|يقول"
    r"|ذكر) (?:النص|المقال|الكاتب)\b",
]  # fmt: skip
_CASED = re.compile("|".join(_ENGLISH))
_FOLDED = re.compile("|".join(_META + _OTHERS))


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    return [_verdict(query) for query in rows.column("query").to_pylist()]


def _verdict(query: str) -> str | None:
    found = _CASED.search(query) or _FOLDED.search(normalise(query).replace("’", "'"))
    return f"refers_to_passage: {found[0].strip()}" if found else None
