"""The rule, text by text and form by form; the index and what is said of a hit."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from synth.benchmarks import Benchmark, Decontamination
from synth.contamination import BENCHMARKS, Hit, Index, Size, counts, hashed, verdict
from synth.textsign import sign
from tests.texts import CHINESE, JAPANESE, LANGUAGES, LONG, OTHER, THAI


def rule(*names: str, **changes: Any) -> Decontamination:
    return Decontamination(benchmarks=[Benchmark(name=name, path="-") for name in names], **changes)


def index(*of: str, **changes: Any) -> Index:
    """An index of one benchmark, `nq`, that has these texts."""
    settings = rule("nq", **changes)
    return Index.of([hashed("nq", of, settings)], settings)


def hit(text: str, *of: str, **changes: Any) -> str | None:
    """How `text` is seen to be a benchmark's that has the texts `of`."""
    (hits,) = index(*of, **changes).hits([text])
    return hits[0].what if hits else None


# The whole text.

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "capitals": lambda text: text.upper(),
    "small": lambda text: text.lower(),
    "blanks": lambda text: "\n" + text.replace(" ", " \u00a0\n") + "\t",
    "no points": lambda text: re.sub(r"[.,;'’。，；、।،]", "", text),
    "other points": lambda text: text.translate(str.maketrans(".,;'，。、؛", "!;,’、！，.")),
    "quoted": lambda text: f"« {text} » …",
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "NFC": lambda text: unicodedata.normalize("NFC", text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "invisible": lambda text: text.replace("e", "e\u200b\u00ad"),
}


@pytest.mark.parametrize("text", LANGUAGES, ids=["en", "zh", "ja", "th", "hi", "ar"])
@pytest.mark.parametrize("form", FORMS)
def test_a_whole_text_is_found_in_all_forms(text: str, form: str) -> None:
    assert hit(FORMS[form](text), OTHER, text) == "exact"


def test_a_text_that_is_none_of_them_is_not_hit() -> None:
    for text in LANGUAGES:
        others = [other for other in LANGUAGES if other != text]
        assert index(*others, OTHER).hits([text]) == [()]


# Short texts.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("yes", None),
        ("contradiction", None),
        ("what is it", None),
        ("What is this?", None),
        ("where are you", None),
        ("wer war Chopin", "exact"),  # three words of four letters
        ("who invented the zip", "exact"),  # four words
        ("WHO invented: the\nZip?", "exact"),
        ("这是什么", None),
        ("谁发明了电话", None),  # six letters: 3.75 words
        ("谁发明了拉链呢", "exact"),
        ("ลูกชายใคร", None),
        ("日本の首都はどこですか", "exact"),
        ("…", None),
        ("", None),
    ],
)
def test_short_texts_are_anybodys(text: str, found: str | None) -> None:
    assert hit(text, "yes", "contradiction", "what is it", "what is this", "where are you", "Wer war Chopin?",
               "who invented the zip", "这是什么？", "谁发明了电话？", "谁发明了拉链呢？", "ลูกชายใคร", "日本の首都はどこですか。",
               "…") == found  # fmt: skip


def test_the_bound_of_short_texts_is_a_setting() -> None:
    assert hit("what is it", "What is it?", shortest=3) == "exact"
    assert hit("how old are you", "How old are you?", shortest=6) is None


# Parts of texts.


def words(text: str, first: int, last: int) -> str:
    return " ".join(text.split()[first:last])


def test_half_of_a_text_is_found() -> None:
    assert hit(words(LONG, 0, 29), LONG) == "13-grams 1.00"
    assert hit(words(LONG, 29, 58).upper(), LONG) == "13-grams 1.00"


def test_a_text_within_another_is_found() -> None:
    long = " ".join(f"w{n}" for n in range(500))
    assert hit(f"{long} {LONG} {long}", OTHER, LONG) == "58 words"
    assert hit(f"{long} {words(LONG, 5, 24)} {long}", LONG) is None  # 19 words
    assert hit(f"{long} {words(LONG, 5, 25)} {long}", LONG) == "20 words"
    assert hit(f"{long} {words(LONG, 0, 13)} and {words(LONG, 30, 43)} {long}", LONG) == "26 words"
    assert hit(f"{long} {words(LONG, 0, 12)} and {words(LONG, 30, 42)} {long}", LONG) is None


def test_half_of_the_words_of_a_short_text_are_enough() -> None:
    assert hit(f"{words(LONG, 0, 13)} {words(OTHER, 0, 13)}", LONG) == "13-grams 0.50"
    assert hit(f"{words(LONG, 0, 13)} {words(OTHER, 0, 14)}", LONG) is None
    assert hit(f"{words(LONG, 0, 13)} {words(OTHER, 0, 14)}", LONG, containment=0.48) == "13-grams 0.48"


def test_changed_words_are_passed_over() -> None:
    changed = [word if at % 15 else "otherwise" for at, word in enumerate(LONG.split())]
    assert hit(" ".join(changed), LONG) == "13-grams 0.72"  # 14, 14 and 14 of 58 words
    changed = [word if at % 12 else "otherwise" for at, word in enumerate(LONG.split())]
    assert hit(" ".join(changed), LONG) is None


def test_words_shared_in_another_order_are_no_copy() -> None:
    assert hit(" ".join(sorted(LONG.split())), LONG) is None


def test_the_length_of_ngrams_is_a_setting() -> None:
    assert hit(words(LONG, 0, 8), LONG) is None
    assert hit(words(LONG, 0, 8), LONG, ngram=8) == "8-grams 1.00"


@pytest.mark.parametrize(
    ("text", "letters"), [(CHINESE, 21), (THAI, 52)], ids=["a letter is 10/16 of a word", "4/16, without vowel signs"]
)
def test_scripts_without_blanks_are_measured_by_letters(text: str, letters: int) -> None:
    """13 words are 208/16."""
    solid = "".join(c for c in text if c.isalnum() or unicodedata.category(c) == "Mn")
    ends = [at for at, c in enumerate(solid) if c.isalnum()] + [len(solid)]
    assert hit(solid[: ends[letters]], text) == "13-grams 1.00"
    assert hit(solid[: ends[letters - 1]], text) is None
    assert sign([solid[: ends[letters]]], 13).grams.tolist() == sign([text], 13).grams[:1].tolist()


def test_scripts_without_blanks_are_found_within_others() -> None:
    for text in (CHINESE, JAPANESE, THAI):
        host = "これは関係のない文章です。" if text != THAI else "นี่คือข้อความอื่นที่ไม่เกี่ยวข้องกัน"
        assert hit(host * 20 + "\n".join(text) + host * 20, text) is not None
        assert hit(host * 20, text) is None


# The index.


def test_hits_name_all_benchmarks_in_the_order_of_the_config() -> None:
    settings = rule("nq", "b/hotpot", "empty")
    tables = [
        hashed("b/hotpot", [LONG + " And more.", OTHER], settings),
        hashed("nq", [LONG, "who invented the zip"], settings),
        hashed("nq", [LONG, "what is it"], settings),  # another batch may have the same
    ]
    found = Index.of(tables, settings)
    assert found.hits([LONG, OTHER, "who invented the zip?", "anything"]) == [
        (Hit("nq", "exact"), Hit("b/hotpot", "13-grams 1.00")),
        (Hit("b/hotpot", "exact"),),
        (Hit("nq", "exact"),),
        (),
    ]
    assert found.sizes() == {"nq": Size(2, 1, 46), "b/hotpot": Size(2, 0, 59), "empty": Size(0, 0, 0)}


def test_an_index_of_nothing_hits_nothing() -> None:
    assert Index.of([], rule()).hits([LONG, ""]) == [(), ()]
    assert Index.of([], rule()).hits([]) == []
    assert Index.of([], rule()).sizes() == {}


def test_a_benchmarks_hashes_are_a_table() -> None:
    rows = hashed("nq", ["what is it", "who invented the zip", "Who invented the zip?", "?"], rule("nq"))
    assert rows.schema == BENCHMARKS
    whole = sign(["who invented the zip", "what is it"], 13).whole.tolist()
    assert rows.to_pylist() == [
        {"benchmark": "nq", "kind": "exact", "hash": whole[0]},
        {"benchmark": "nq", "kind": "short", "hash": whole[1]},
    ]


def test_verdicts_and_their_counts() -> None:
    one, two = Hit("nq", "exact"), Hit("b/hotpot", "13-grams 0.71")
    assert verdict({"text": ()}) is None
    assert verdict({"text": (one, two)}) == "contaminated: nq: exact; b/hotpot: 13-grams 0.71"
    assert verdict({"query": (one,), "positive": (one, two)}) == (
        "contaminated: nq: query exact; nq: positive exact; b/hotpot: positive 13-grams 0.71"
    )
    rows = pa.table(
        {
            "reason": ["contaminated", None, "contaminated", "too_short", "contaminated"],
            "detail": [
                "nq: exact; b/hotpot: 13-grams 0.71",
                None,
                "nq: query exact; nq: positive exact",
                "nq: exact",
                "fiqa: 31 words",
            ],
        }
    )
    assert counts(rows) == {"b/hotpot": 1, "fiqa": 1, "nq": 2}
    assert counts(rows.slice(0, 0)) == {}
