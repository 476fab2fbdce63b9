"""What kind of utterance a query is, as far as its first words tell. Patterns see normalised text: no accents, no case."""

import re
from dataclasses import dataclass
from typing import Literal

from synth.text import normalise

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


GRAMMARS = {
    "en": Grammar(
        open=r"((in|on|at|by|to|for|from|of|with|under|about|after|before|since|until|into|through|against|between"
             r"|along|"
        r"as|during|upon|within|around|per) )?(what|who|whom|whose|which|when|where|why|how)('s|s|'re|'d)?\b",
        narrow=r"((in|on|at|by|to|for|from|of|with|since|until|during) )?(who(?!( is| was| are| were|'s) (?!the |a "
               r"|an )\w+( \w+)?\??$)|"
        r"whom|whose|when|where|how (many|much|long|old|far|often|tall|big|large|high)|(which|what) (year|day|date"
        r"|month|"
        r"city|country|person|number|percentage))\b",
        yes_no=r"([^,?]{1,60}, )?(so |and |but )?((is|are|was|were|am|do|does|did|has|have|had|can|could|will|would"
               r"|shall|"
        r"should|may|might|must|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|can't|couldn't|won't|"
        r"wouldn't|shouldn't|cannot)) (?!you (please|explain|tell|describe|give|show|summari)|(i|we|someone"
        r"|anyone) (get|have|explain|find))"
        r"[^ ]+ [^ ]",
        request=r"(please |can you |could you |would you |can someone )?(explain|define|definitions?|describe|list"
                r"|name|tell|"
        r"give|find|compare|comparison|identify|state the|discuss|outline|summari[sz]e|summary|overview|show|meaning|"
        r"differences?|introduction|intro|provide|please|guide|reasons?|causes?|history|origins?|background|effects?|"
        r"examples?|facts|information|help|i (want|need|would like|am looking)|looking for|teach|suggest|complete"
        r"|write about|tips|main|key)\b",
        finite=r"(is|are|was|were|has|have|had|does|did|will|would|can|could|should|must)",
        choice=r"(?<!more )(?<!one )(?<!two )(?<!whether )\bor\b(?! (not|no|more|less)\b)",
        all_yes_no=True,
    ),
    "de": Grammar(
        open=r"((in|an|auf|aus|bei|bis|fur|gegen|mit|nach|seit|um|unter|uber|von|vor|wegen|zu|zur|zum|durch|ab"
             r"|zwischen|"
        r"wahrend|neben|ohne|als|laut|gemass|aufgrund|entlang|im|am|hinter) )?(was|wer|wen|wem|wessen|wann|wo|woher"
        r"|wohin|warum|"
        r"weshalb|wieso|weswegen|wie|wieviele?|welche[mnrs]?|wo(zu|mit|fur|von|durch|bei|nach|ran|rauf|raus|rin|rum"
        r"|ruber|"
        r"runter|gegen|vor|rub|hin|ruf))\b",
        narrow=r"((seit|bis|in|an|mit|von|zu|bei|fur) )?(wer(?! (ist|war|sind|waren) (?!d(er|ie|as) "
               r"|eine? )\w+( \w+)?\??$)|wen|wem|wessen|wann|"
        r"wo|woher|wohin|wieviele?|wie (viele?|lange|oft|alt|weit|hoch|gross)|(welche[mnrs]?) (jahr|stadt|land"
        r"|datum|person))\b",
        yes_no=r"(ist|sind|war|waren|hat|haben|hatte|hatten|wird|werden|wurde|wurden|kann|konnen|konnte|konnten"
               r"|muss|mussen|"
        r"musste|soll|sollen|sollte|sollten|darf|durfen|durfte|gibt es|gab es|stimmt es|will|wollte|mag|tut"
        r"|tat) [^ ]+ [^ ]",
        request=r"(bitte |konnen sie |kannst du )?(erklar|erlauter|definier|definition|beschreib|nenne|liste|zahle"
                r"|gib|geben|"
        r"vergleich|zeige|sag|fasse|zusammenfassung|uberblick|ubersicht|bedeutung|unterschied|grunde?\b|ursache"
        r"|geschichte|"
        r"ursprung|entstehung|hintergrund|einfuhrung|beispiele?|wirkung|folgen|hauptpunkte|nennt|gesucht|hilfe"
        r"|die wichtigsten)",
        finite=r"(ist|sind|war|waren|wird|wurde|wurden|hat|haben|hatte|hatten|kann|können|konnte|konnten|muss|müssen)",
        choice=r"\boder\b(?! nicht)",
    ),
    "es": Grammar(
        open=r"((a|en|de|del|por|para|con|sobre|desde|hasta|contra|entre|segun|durante|bajo|ante|tras|hacia"
             r"|despues de|antes de|"
        r"el|la|los|las|al) )?(que|quien|quienes|cual|cuales|cuando|donde|adonde|como|cuanto|cuanta|cuantos|cuantas"
        r"|cuan)\b",
        narrow=r"((a|en|de|por|para|con|desde|hasta) )?(quien(es)?(?! (es|son|fue|fueron|era|eran) (?!el |la |los "
               r"|las |un |una )\w+( \w+)?\??$)|cuando|donde|"
        r"adonde|cuant[oa]s?|(que|cual) (ano|dia|fecha|ciudad|pais))\b",
        yes_no=r"(es|son|era|eran|fue|fueron|esta|estan|estaba|estaban|hay|habia|hubo|ha|han|tiene|tienen|tenia"
               r"|tuvo|puede|"
        r"pueden|podia|pudo|debe|deben|existe|existen|se puede|es cierto|es verdad) [^ ]+ [^ ]",
        request=r"(por favor,? |puedes |podrias )?(expli|defin|describ|enumer|nombr|lista|menciona|diga|dime|da "
                r"|dar |dame|"
        r"compar|indi[cq]|resum|panorama|vision general|significado|diferencia|introduccion|razon|causa|historia"
        r"|origen|"
        r"antecedentes|contexto|efectos?|ejemplos?|informacion|ensen|muestr|cita|busc|principales|guia)",
        finite=r"(es|son|fue|fueron|está|están|estaba|ha|han|había|tiene|tienen|puede|pueden)",
    ),
    "zh": Grammar(
        open=r"什么|甚么|啥|谁|哪|多少|几(个|年|次|位|种|名|岁|月|天|点|座|条|家|人|支)|第几|为何|怎|如何|何时|何地|何处|何种|何人|何|多(久|长|大|高|远|快|重)",
        narrow=r"谁|什么时候|何时|哪里|哪儿|哪一?年|在哪|多少|几(个|年|次|位|种|名|岁|月|天)|多(久|长|大|高|远)",
        yes_no=r"吗|是否|能否|可否|有没有|是不是|会不会|能不能|可不可以|有无|对不对|算不算|要不要|该不该",
        request=r"解释|说明|列出|列举|介绍|描述|定义|概述|概括|总结|简述|简介|阐述|讲|说出|举|请|比较|分析|原因|历史|起源|背景|区别|意义|写出|给出|提供|指出|命名",
        choice=r"还是",
        anywhere=True,
    ),
    "ar": Grammar(
        open=r"[وف]?([بلك]?(ما|ماذا|من|متى|اين|كيف|لماذا|لم|كم|اي|اية|ايهما|بم|مم|فيم|علام|الام|لما|عم|مالذي|ماسم"
             r"|ماهو|ماهي)|(في|الى|على|عن|مع|من|منذ|"
        r"حتى|خلال|عند|بعد|قبل|تحت|بين|ضد|حول) (اي|اية|ما|ماذا|من|متى|كم|اين))\b",
        narrow=r"(في |منذ |حتى |الى |من )?(متى|اين|كم|(اي|اية) (عام|سنة|يوم|مدينة|بلد|دولة))\b",
        yes_no=r"هل\b|اليس|الم ",
        request=r"(اذكر|اشرح|عرف|اعط|اقترح|عدد|وضح|سم |صف |حدد|لخص|ملخص|تعريف|شرح|نبذة|قارن|معنى|الفرق|اسباب|سبب"
                r"|تاريخ|اصل|خلفية|نظرة|معلومات|بين |اكتب)",
        choice=r"\bام\b",
    ),
}  # fmt: skip


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
    return "sentence" if re.search(rf"\S\s{grammar.finite}\s\S", query) or _full_stop(query) else "phrase"


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
