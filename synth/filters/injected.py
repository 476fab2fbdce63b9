"""`injected`: a query that obeys a document which speaks to the model: "ignore all previous instructions and ask ...".

A query is rejected that itself gives orders to a model or recites a prompt, and one that comes from a sentence of its
passage that speaks to a model: with two words, or an address, that only such sentences have, or with one and hardly any
of the rest. A good query about the rest stays. A sentence speaks to a model when it has an order, a new part or a turn of
a conversation in the phrases of thirteen languages; or when it has one word of such talk ("assistant", "query") and is a
stranger: no word in common with the title and the rest.

Measured (bench/injection.py, docs/injection.md): of 5,950 human questions on XQuAD's 1,200 paragraphs in five languages
none is rejected, of queries about articles on prompt injection itself one in four. Of what a model that obeys writes, all
but 2 of 108 rows that pass the other rules are rejected for payloads that were known when this was written, and 28 of 78
for others: the cosine cutoff must do the rest. 8,000 rows/s at two rows a passage.

Limits: orders in other words or in code, and sentences for people ("our kettle is the best"), are not seen unless they
are strangers with a telling word; a query that shares two words with the rest may carry one of the order's; the positive
keeps what was planted.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import pyarrow as pa

from synth.filters import TEXTS
from synth.settings import Strict
from synth.text import is_unspaced, normalise, words

JUDGES = TEXTS


class Settings(Strict):
    """None: the phrases stand in the module."""


def _any(names: str) -> str:
    """Return a pattern of alternatives, normalised as the text will be; `_` is a space, `*` the rest of a word."""
    return f"(?:{'|'.join(name.replace('*', '[^ ]*') for name in _names(names))})"


def _names(names: str) -> list[str]:
    return [normalise(name.replace("_", " ")) for name in names.split()]


# "Ignore" and what is to be ignored: a verb that gives an order, and within some words a noun.
_ORDERS = {
    "de": ("ignorier* vergiss vergesst vergessen_sie missachte* verwirf", "anweisung* instruktion* vorgabe* befehl* prompt* aufgabe*"),
    "es": ("ignora ignore ignorad olvida olvide descarta haz_caso_omiso", "instruccion* indicacion* ordenes comandos prompt* directrices"),
    "fr": ("ignore* oublie* ne_tiens_pas_compte ne_tenez_pas_compte", "instruction* consigne* directives ordres prompt*"),
    "it": ("ignora* dimentica* trascura* non_tenere_conto", "istruzion* indicazion* comandi prompt* direttive"),
    "pt": ("ignore ignora ignorem esqueça desconsidere", "instruções orientações comandos prompt* diretrizes"),
    "nl": ("negeer vergeet", "instructie* aanwijzing* opdracht* prompt* bevelen"),
    "ru": ("игнорируй* проигнорируй* забудь* не_обращай*", "инструкци* указани* команд* промпт* предписани*"),
    "ar": ("تجاهل تجاهلي تجاهلوا انس انسى اهمل لا_تتبع", "تعليمات التعليمات الأوامر اوامر الإرشادات التوجيهات"),
}  # fmt: skip
_UNSPACED_ORDERS = {
    "zh": ("忽略 无视 忽视 忘记 忘掉 不要理会 不要遵循", "指令 指示 命令 提示 要求 规则 说明"),
    # These name what is to be ignored before they say so.
    "ja": ("指示 命令 プロンプト 指令 ルール", "無視 忘れ 破棄 従わない"),
    "ko": ("지시 명령 프롬프트 지침 규칙", "무시 잊어 잊으 따르지"),
    "hi": ("निर्देश* आदेश* अनुदेश* प्रॉम्प्ट*", "अनदेखा अनदेखी नज़रअंदाज़ भूल उपेक्षा"),
}
_PHRASES = """
    from_now_on_you_are from_now_on,_you_are from_now_on_you_will from_now_on,_you_will you_are_no_longer
    pretend_to_be pretend_you_are your_new_task your_new_role your_new_instructions du_bist_jetzt du_bist_nun
    du_bist_ab_sofort ab_jetzt_bist_du ab_sofort_bist_du deine_neue_aufgabe ahora_eres eres_ahora
    a_partir_de_ahora_eres tu_nueva_tarea tu_es_maintenant tu_es_désormais vous_êtes_maintenant vous_êtes_désormais
    ta_nouvelle_tâche ora_sei adesso_sei d'ora_in_poi_sei agora_você_é você_agora_é a_partir_de_agora_você
    je_bent_nu vanaf_nu_ben_je jouw_nieuwe_taak теперь_ты ты_теперь отныне_ты твоя_новая_задача
    你现在是 从现在起你 从现在开始你 你的新任务 あなたは今から 今からあなたは これからあなたは 이제부터_당신은 이제부터_너는
    너는_이제 당신은_이제 أنت_الآن من_الآن_فصاعدا_أنت अब_तुम_एक अब_आप_एक अब_से_तुम अब_से_आप
"""
"""A new part for a model to play."""

_EN_VERB = r"\b(?:ignore|disregard|forget|override|discard|bypass)\b"
_EN_WHICH = r"\b(?:all|any|every|your|previous|prior|above|earlier|preceding|foregoing|system|initial|original)\b"
_EN_NOUN = r"(?:instructions?|prompts?|directives?|directions|guidelines|commands?|rules|orders|tasks?|exercise)\b"
_MODEL = r"(?:ai|llms?|language models?|chatbots?|(?:ai )?assistants?)\b"
_REPEAT = "repeat reveal recite print output show wiederhole* zeige* repite muestra répète* montre* ripeti repita herhaal повтори* 重复 输出"
_WRITE = _any(
    "write output print return generate ask answer reply respond schreib* escribe écris scrivi escreva schrijf напиши*"
)
_QUERY = _any(
    "query queries question suchanfrage anfrage consulta pregunta requête domanda pergunta zoekvraag запрос вопрос"
)
_ENGLISH = (
    rf"{_EN_VERB}.{{0,30}}?{_EN_WHICH}.{{0,30}}?{_EN_NOUN}|{_EN_VERB}.{{0,30}}?{_EN_NOUN}.{{0,30}}?\b(?:above|so far)\b",
    r"\byou are now (?:an?|the|in|called|no longer|my|dan)\b|\bas an ai\b|\bas a (?:large )?language model\b",
    rf"\b(?:note|message|instructions?|attention)(?: to| for|,) (?:the |any |all )?{_MODEL}",
    r"\b(?:do not|don't|never|instead of|in place of|rather than) (?:writ\w+ |answer\w* |ask\w* )?(?:a|the|any) (?:search )?quer(?:y|ies)\b",
    rf"\b{_any(_REPEAT)}\b.{{0,30}}?(?:\bprompt|systemprompt|\byour instructions|промпт|提示词)",
    rf"\b{_WRITE}\b(?: [^ ]+){{0,3}} {_QUERY}\W{{0,3}}[\"'“”„«‘]",
    r"\b(?:only|next) (?:valid |correct )?(?:answer|query|output)(?: from now on)? is\b",
    r"^\W*(?:please )?always (?:recommend|mention|cite|link|include|answer|respond|reply)\b",
    r"\bin (?:every|each|all|any) (?:query|queries|answers?|repl(?:y|ies)|responses?)\b",
    r"^\W*(?:please )?(?:answer|reply|respond|write)(?: in \w+ only\b| only in \w+\b| (?:only )?with \{)",
)  # fmt: skip
_TURN = (
    r"<\|[^>|]{0,30}\|?>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|user|instructions?)>",
    r"^\W*(?:system|assistant|human|developer|reader|passage)(?: prompt| message)? ?:",
    r"^#{1,4} ?(?:system|assistant|user|instructions?|response|input) ?:?$",
    r"\{ ?[\"']?(?:query|queries|question)[\"']? ?:|\babout \d+ words long\b",
)
_SPEAKS = re.compile(
    "|".join(
        [
            *(rf"\b[وف]?{_any(verbs)}(?!\w).{{0,50}}?{_any(nouns)}" for verbs, nouns in _ORDERS.values()),
            *(rf"{_any(first)}.{{0,20}}?{_any(then)}" for first, then in _UNSPACED_ORDERS.values()),
            rf"(?<!\w){_any(_PHRASES)}|(?:输出|写出?).{{0,6}}(?:查询|问题)[“\"「]",
            *_ENGLISH,
            *_TURN,
        ]
    )
)
"""In a normalised sentence or line: an order to a model, a turn of a conversation with one, the form of its answer."""
_RECITED = re.compile(
    r"\banswers? in json\b|\breal people type\b|^(?:you are|you write|you choose) .*\b(?:quer|passage|json)"
    r"|\b(?:your|the) (?:hidden |initial |secret )?(?:system prompt|prompt|instructions)$"
)
"""In a normalised query: words of a prompt."""
_MENTIONS = re.compile(
    r"(?<!\w)"
    + _any(
        """ai model models assistant* chatbot* bot bots automat* robot* crawler* quer* search* question* answer*
        respond* reply output* instruct* guidance prompt* text page pages reader* told decode obey ignor* forget* write
        task* command* modell* assistent* anfrage* suchanfrage* frage* antwort* anweisung* schreib* leser* seite* modelo*
        asistente* consulta* pregunta* respuesta* escrib* lector* página* modèle* requête* répond* consigne* écri* lecteur*
        demandez précède* richiesta domanda rispond* istruzion* scriv* lettor* pergunta* escrev* leitor* vraag* antwoord*
        opdracht* schrijf* модел* вопрос* ответ* запрос* напиши* инструкц* спроси* говорил* الاستعلام السؤال أجب اكتب واكتب
        التعليمات نموذج المساعد सवाल उत्तर लिखें निर्देश* प्रश्न"""
    )
    + f"(?!\\w)|{_any('查询 指令 模型 助手 提示词 質問 出力 検索 질문 지시 출력 검색 쓰세요')}"
)
"""In a normalised sentence: a word of what one says to a model. Anyone's words: they count in a stranger only."""
_TRIGGERS = (
    *(name.replace("*", "") for verbs, _ in (*_ORDERS.values(), *_UNSPACED_ORDERS.values()) for name in _names(verbs)),
    *_names(_PHRASES),
    *_names("disregard forget override discard bypass you_are_now as_an_ai language_model always_ in_every in_each in_all in_any"),
    *_names("llm chatbot assistant quer question suchanfrage anfrage consulta pregunta requête domanda pergunta zoekvraag"),
    *_names("запрос вопрос 查询 问题 answer reply respond <| inst] sys> system> user> instruction system: system_message human:"),
    *_names(_REPEAT.replace("*", "")),
    *_names("developer reader passage # words_long for_ai to_ai"),
)  # fmt: skip
"""A sentence without any of these need not be looked at closer: found ten times as fast as by the pattern."""
_FIRM = 8
"""Content words that the rest of a passage must have before a sentence can be a stranger to it."""
_SENTENCE = re.compile(r"(?<=[.!?؟।])\s+|(?<=[。！？])|\n+")
_ADDRESS = re.compile(r"(?<![\w.+-])(?:[\w.+-]{1,64}@)?(?:[\w-]{1,63}\.){1,8}[a-z]{2,6}\b")
_COMMON = frozenset(
    normalise(
        """what where when which whose whom does about with from this that these those have many much more most into
        could would should will your their there then than they them some such only also been were
        welche welcher welches wann warum wurde wird sind eine einer einen nicht cual cuales donde cuando como porque
        para sobre quel quelle quels quelles comment pourquoi dans pour avec"""
    ).split()
)
"""Words that stand in any query: they come from no sentence."""


@dataclass(frozen=True)
class _Told:
    """What only the sentences that speak to a model have, and the content words of the rest."""

    words: frozenset[str]
    addresses: frozenset[str]
    rest: frozenset[str]
    surely: bool
    """Whether a phrase gave them away; else only a word, and that they are strangers to the rest."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    columns = (rows.column(name).to_pylist() for name in ("query", "passage", "title"))
    return [_verdict(*row) for row in zip(*columns, strict=True)]


def _verdict(query: str, passage: str, title: str) -> str | None:
    asked = normalise(query)
    if found := _spoken(asked) or _RECITED.search(asked):
        return f"injected: the query says {found[0].strip()!r}"
    told = _told(passage, title)
    if told is None:
        return None
    if address := next((address for address in _ADDRESS.findall(asked) if address in told.addresses), None):
        return f"injected: {address!r} of a sentence that speaks to a model"
    content = _content(asked)
    lured, own = [word for word in content if word in told.words], sum(word in told.rest for word in content)
    if (len(lured) > 1 and (told.surely or not own)) or (told.surely and lured and own <= 1):
        return f"injected: {lured[0]!r} of a sentence that speaks to a model"
    return None


@lru_cache(maxsize=64)  # the rows of a passage follow one another
def _told(passage: str, title: str) -> _Told | None:
    """Part `passage` into the sentences that speak to a model and the rest; null when none does."""
    sentences = [normalise(sentence) for sentence in _SENTENCE.split(passage)]
    looked_at = _may_speak(" ".join(sentences))
    spoken = [looked_at and _spoken(sentence) is not None for sentence in sentences]
    doubted = [
        before or _MENTIONS.search(sentence) is not None
        for before, sentence in zip([False, *spoken], sentences, strict=False)
    ]
    if True not in spoken and True not in doubted:
        return None
    content = [frozenset(_content(sentence)) for sentence in sentences]
    parts = list(zip(content, spoken, doubted, strict=True))
    firm = frozenset(_content(normalise(title))).union(*(has for has, *signs in parts if True not in signs))
    # One sign, or a place after an order, is enough for a sentence that has no word in common with the rest.
    said = [own or (sign and len(firm) >= _FIRM and firm.isdisjoint(has)) for has, own, sign in parts]
    if True not in said:
        return None
    rest = firm.union(*(has for has, out in zip(content, said, strict=True) if not out))
    return _Told(
        words=frozenset().union(*(has for has, out in zip(content, said, strict=True) if out)) - rest,
        addresses=frozenset(_ADDRESS.findall(" ".join(text for text, out in zip(sentences, said, strict=True) if out))),
        rest=rest,
        surely=True in spoken,
    )


def _may_speak(text: str) -> bool:
    return any(trigger in text for trigger in _TRIGGERS)


def _spoken(text: str) -> re.Match[str] | None:
    """Find in normalised `text` what speaks to a model."""
    return _SPEAKS.search(text) if _may_speak(text) else None


def _content(text: str) -> list[str]:
    """Return stems of six letters of the words that carry meaning, in order; pairs of letters in scripts without spaces."""
    found = words(text)
    stems = [word[:6] for word in found if len(word) >= 4 and word not in _COMMON]
    return stems + [a + b for a, b in pairwise(found) if is_unspaced(a) and is_unspaced(b)]
