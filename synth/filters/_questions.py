"""What kind of utterance a query is, as far as its first words tell. Patterns see normalised text: no accents, no case."""

import re
from dataclasses import dataclass
from typing import Literal

from synth.text import normalise, one_of

Kind = Literal["yes_no", "open", "unclear", "request", "sentence", "phrase"]
"""`unclear` has a question mark and no other sign; `sentence` states something; `phrase` has no sign of anything."""


@dataclass(frozen=True, kw_only=True)
class Grammar:
    open: str
    """Question words that open a question, with the prepositions before them."""
    narrow: str
    """Openings of questions for one fact, of which no overview can be the answer."""
    yes_no: str
    """Openings of yes/no questions."""
    request: str
    """Openings that ask without a question word."""
    finite: str = r"(?!)"
    """Finite verbs (case and accents kept) that make a sentence of what has no question word before them."""
    choice: str = r"(?!)"
    """Words for "or"."""
    anywhere: bool = False
    """Whether question words stand where the answer would, rather than in front."""
    all_yes_no: bool = False
    """Whether every yes/no question begins as `yes_no` says."""


_EN_QUESTION = one_of("what who whom whose which when where why how") + r"(?:'?s|'re|'d)?\b"
_EN_BEFORE = one_of(
    """in on at by to for from of with under about after before since until into through against between along as during
    upon within around per"""
)
_EN_VERB = one_of(
    """is are was were am do does did has have had can could will would shall should may might must cannot isn't aren't
    wasn't weren't don't doesn't didn't hasn't haven't hadn't can't couldn't won't wouldn't shouldn't"""
)
_EN_PLEASE = (
    r"(?:you (?:please|explain|tell|describe|give|show|summari)|(?:i|we|someone|anyone) (?:get|have|explain|find))"
)
_EN_REQUEST = one_of(
    """explain define definitions? describe list name tell give find compare comparison identify state_the discuss outline
    summari[sz]e summary overview show meaning differences? introduction intro provide please guide reasons? causes? history
    origins? background effects? examples? facts information help i_want i_need i_would_like i_am_looking looking_for teach
    suggest complete write_about tips main key"""
)
_DE_QUESTION = one_of(
    """was wer wen wem wessen wann wo woher wohin warum weshalb wieso weswegen wie wieviele? welche[mnrs]?
    wo(?:zu|mit|fur|von|durch|bei|nach|ran|rauf|raus|rin|rum|ruber|runter|gegen|vor|hin)"""
)
_DE_BEFORE = one_of(
    """in an auf aus bei bis fur gegen mit nach seit um unter uber von vor wegen zu zur zum durch ab zwischen wahrend neben
    ohne als laut gemass aufgrund entlang im am hinter"""
)
_DE_VERB = one_of(
    """ist sind war waren hat haben hatte hatten wird werden wurde wurden kann konnen konnte konnten muss mussen musste soll
    sollen sollte sollten darf durfen durfte gibt_es gab_es stimmt_es will wollte mag"""
)
_DE_REQUEST = one_of(
    """erklar erlauter definier definition beschreib nenne liste zahle gib geben vergleich zeige sag fasse zusammenfassung
    uberblick ubersicht bedeutung unterschied grunde?\\b ursache geschichte ursprung entstehung hintergrund einfuhrung
    beispiele? wirkung folgen hauptpunkte nennt gesucht hilfe die_wichtigsten"""
)
_ES_QUESTION = one_of("que quien quienes cual cuales cuando donde adonde como cuant[oa]s? cuan")
_ES_BEFORE = one_of(
    """a en de del por para con sobre desde hasta contra entre segun durante bajo ante tras hacia despues_de antes_de el la
    los las al"""
)
_ES_VERB = one_of(
    """es son era eran fue fueron esta estan estaba estaban hay habia hubo ha han tiene tienen tenia tuvo puede pueden podia
    pudo debe deben existe existen se_puede es_cierto es_verdad"""
)
_ES_REQUEST = one_of(
    """expli defin describ enumer nombr lista menciona diga dime da_ dar_ dame compar indi[cq] resum panorama vision_general
    significado diferencia introduccion razon causa historia origen antecedentes contexto efectos? ejemplos? informacion
    ensen muestr cita busc principales guia"""
)
_ZH_QUESTION = one_of(
    "什么 甚么 啥 谁 哪 多少 几[个年次位种名岁月天点座条家人支] 第几 为何 怎 如何 何[时地处种人] 多[久长大高远快重]"
)
_ZH_REQUEST = one_of(
    """解释 说明 列出 列举 介绍 描述 定义 概述 概括 总结 简述 简介 阐述
    讲 说出 举 请 比较 分析 原因 历史 起源 背景 区别 意义
    写出 给出 提供 指出 命名"""
)
_AR_QUESTION = one_of(
    """[بلك]?ما [بلك]?من [بلك]?كم [بلك]?اي ماذا بماذا لماذا متى اين كيف لم اية ايهما بم مم فيم علام الام لما عم مالذي ماسم
    ماهو ماهي"""
)
_AR_BEFORE = one_of("في الى على عن مع من منذ حتى خلال عند بعد قبل تحت بين ضد حول")
_AR_REQUEST = one_of(
    """اذكر اشرح عرف اعط اقترح عدد وضح سم_ صف_ حدد لخص ملخص تعريف شرح نبذة قارن معنى الفرق اسباب سبب تاريخ اصل خلفية نظرة
    معلومات بين_ اكتب"""
)
_SOMETHING = r" \S+ \S"
"""A yes/no question has a verb, a subject and more: "is yes" is none."""

# "Who was Nikola Tesla?" may well ask for an overview; "Who was the first ..." does not.
_EN_WHO = r"who(?! (?:is|are|was|were) (?!the |an? )\w+(?: \w+)?\??$)"
_DE_WHO = r"wer(?! (?:ist|sind|war|waren) (?!d(?:er|ie|as) |eine? )\w+(?: \w+)?\??$)"
_ES_WHO = r"quien(?:es)?(?! (?:es|son|fue|fueron|era|eran) (?!el |l[ao]s? |un[ao]?s? )\w+(?: \w+)?\??$)"

GRAMMARS = {
    "en": Grammar(
        open=rf"(?:{_EN_BEFORE} )?{_EN_QUESTION}",
        narrow=rf"(?:{_EN_BEFORE} )?(?:{_EN_WHO}|whom|whose|when|where"
        rf"|how {one_of('many much long old far often tall big large high')}"
        rf"|(?:which|what) {one_of('year day date month city country person number percentage')})\b",
        yes_no=rf"(?:[^,?]{{1,60}}, )?(?:so |and |but )?{_EN_VERB}(?! {_EN_PLEASE}){_SOMETHING}",
        request=rf"(?:please |(?:can|could|would) you |can someone )?{_EN_REQUEST}\b",
        finite=one_of("is are was were has have had does did will would can could should must"),
        choice=r"(?<!more )(?<!one )(?<!two )(?<!whether )\bor\b(?! (?:not|no|more|less)\b)",
        all_yes_no=True,
    ),
    "de": Grammar(
        open=rf"(?:{_DE_BEFORE} )?{_DE_QUESTION}\b",
        narrow=rf"(?:{_DE_BEFORE} )?(?:{_DE_WHO}|wen|wem|wessen|wann|wo|woher|wohin|wieviele?"
        rf"|wie {one_of('viele? lange oft alt weit hoch gross')}|welche[mnrs]? {one_of('jahr stadt land datum person')})\b",
        yes_no=rf"{_DE_VERB}{_SOMETHING}",
        request=rf"(?:bitte |konnen sie |kannst du )?{_DE_REQUEST}",
        finite=one_of(
            "ist sind war waren wird wurde wurden hat haben hatte hatten kann können konnte konnten muss müssen"
        ),
        choice=r"\boder\b(?! nicht)",
    ),
    "es": Grammar(
        open=rf"(?:{_ES_BEFORE} )?{_ES_QUESTION}\b",
        narrow=rf"(?:{_ES_BEFORE} )?(?:{_ES_WHO}|cuando|donde|adonde|cuant[oa]s?"
        rf"|(?:que|cual) {one_of('ano dia fecha ciudad pais')})\b",
        yes_no=rf"{_ES_VERB}{_SOMETHING}",
        request=rf"(?:por favor,? |puedes |podrias )?{_ES_REQUEST}",
        finite=one_of("es son fue fueron está están estaba ha han había tiene tienen puede pueden"),
    ),
    "zh": Grammar(
        open=_ZH_QUESTION,
        narrow=one_of("谁 什么时候 何时 哪里 哪儿 哪一?年 在哪 多少 几[个年次位种名岁月天] 多[久长大高远]"),
        yes_no=one_of("吗 是否 能否 可否 有没有 是不是 会不会 能不能 可不可以 有无 对不对 算不算 要不要 该不该"),
        request=_ZH_REQUEST,
        choice="还是",
        anywhere=True,
    ),
    "ar": Grammar(
        open=rf"[وف]?(?:{_AR_BEFORE} )?{_AR_QUESTION}\b",
        narrow=rf"(?:{_AR_BEFORE} )?(?:متى|اين|كم|(?:اي|اية) {one_of('عام سنة يوم مدينة بلد دولة')})\b",
        yes_no=r"هل\b|اليس|الم ",
        request=_AR_REQUEST,
        choice=r"\bام\b",
    ),
}


def has_question_mark(query: str) -> bool:
    return any(mark in query for mark in "?？؟¿՞")


def kind(query: str, language: str) -> Kind | None:
    """Return what `query` is; null in a language without a grammar here."""
    if language not in GRAMMARS:
        return None
    grammar, start = GRAMMARS[language], opening(query)
    if re.search(grammar.yes_no, start) if grammar.anywhere else re.match(grammar.yes_no, start):
        # "In 1898, when ..." has a question word where "In 1898, did ..." has a verb
        return "yes_no"
    if re.search(grammar.open, start) if grammar.anywhere else re.match(grammar.open, start):
        return "open"
    if has_question_mark(query):
        return "open" if re.search(rf"(, |: |¿){grammar.open}", normalise(query)) else "unclear"
    if re.match(grammar.request, start):
        return "request"
    if re.search(rf"\S\s{grammar.finite}\s\S", query) or _full_stop(query):
        return "sentence"
    boundary = "" if grammar.anywhere else r"\b"
    return "request" if re.search(boundary + grammar.request, start) else "phrase"


def is_narrow(query: str, language: str) -> bool:
    """Whether the query asks for one fact: who, when, where, how many."""
    grammar = GRAMMARS.get(language)
    if grammar is None:
        return False
    return bool((re.search if grammar.anywhere else re.match)(grammar.narrow, opening(query)))


def offers_choice(query: str, language: str) -> bool:
    """Whether it says "or", as in "red or blue?"."""
    return language in GRAMMARS and bool(re.search(GRAMMARS[language].choice, normalise(query)))


def opening(query: str) -> str:
    """Return the normalised query without quotes and marks in front; in Spanish, from the inverted question mark on."""
    return re.sub(r"^[\W_]+", "", normalise(query.rpartition("¿")[2]).replace("’", "'"))


def _full_stop(query: str) -> bool:
    """Whether four words and more end in a full stop that is not that of `Inc.` or `U.S.`."""
    return bool(re.search(r"(\S+\s+){3,}[^\s.]{5,}\.$|。$", query.strip()))
