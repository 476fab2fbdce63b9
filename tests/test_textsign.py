"""Which letters count, how long a text is, and hashes that stay as they are."""

import unicodedata

import numpy as np
import pytest

from synth.textsign import batches, sign
from tests.texts import LANGUAGES


def is_same(one: str, other: str) -> bool:
    whole = sign([one, other], 13).whole
    return bool(whole[0] == whole[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("L’Été, ça", "l'ete ca"),
        ("don´t", "don't"),
        ("Straße", "STRASSE"),
        ("IŞIK", "ışık"),
        ("Όσος", "ΟΣΟΣ"),
        ("é", "e\u0301"),
        ("state-of-the-art", "state of the art"),
        ("مُحَمَّد", "محمد"),
        ("محـــمد", "محمد"),
        ("أحمد", "احمد"),
        ("שָׁלוֹם", "שלום"),
        ("ｶﾞｽ", "ガス"),
        ("か\u3099", "が"),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("ไทย น้ำ", "ไทยน้ำ"),
        ("हिन्दी?", "हिन्दी"),
        ("①", "1"),
    ],
)
def test_the_same_letters(one: str, other: str) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("हिन्दी", "हन्द"),  # without its vowel signs, a word of Hindi is another
        ("की", "कि"),
        ("நான்", "நன்"),
        ("ไกล", "ใกล้"),  # far, near
        ("ปา", "ป่า"),
        ("が", "か"),
        ("ガス", "カス"),
        ("ab", "ba"),
        ("abcb", "cbab"),
        ("", "a"),
    ],
)
def test_other_letters(one: str, other: str) -> None:
    assert not is_same(one, other)


def test_ngrams_of_mixed_text_end_at_their_weight() -> None:
    # 16 for each of the words, 10 for each letter: 16·3 + 10·16 = 208 = 13 words.
    text = "The city of 北京是中华人民共和国的首都也是其"
    assert len(sign([text], 13).grams) == 1
    assert len(sign([text[:-1]], 13).grams) == 0
    assert len(sign([text + "最"], 13).grams) == 1  # from `city` on, 16·2 + 10·17 = 202
    assert len(sign([text + "最大"], 13).grams) == 2
    assert sign(["Tibet བོད་ཡིག 人々"], 13).word_weights.tolist() == [16, 4, 4, 4, 4, 10, 10]


def test_hashes_stay_as_they_are() -> None:
    """They are stored: other ones need another version of the stage `benchmarks`."""
    signed = sign(["Otters sleep holding hands.", "", "睡觉"], 2)
    assert [hex(value) for value in signed.whole.tolist()][::2] == ["0x94909dd8bcb09860", "0x898e8beb4b6c38ea"]
    assert signed.weight.tolist() == [64, 0, 20]
    assert signed.letters.tolist() == [23, 0, 2]
    assert signed.text.tolist() == [0, 0, 0]
    assert signed.first.tolist() == [0, 1, 2]
    assert signed.after.tolist() == [2, 3, 4]
    assert [hex(value) for value in signed.grams.tolist()] == [
        "0xcfa2791932c76c4d",
        "0xe7b831afac8c6b61",
        "0xb86fae9fce91ecd8",
    ]


def test_a_hash_does_not_depend_on_the_texts_around_it() -> None:
    alone = [sign([text], 13) for text in LANGUAGES]
    together = sign(LANGUAGES, 13)
    assert together.whole.tolist() == [one.whole[0] for one in alone]
    assert together.grams.tolist() == [gram for one in alone for gram in one.grams.tolist()]
    assert together.text.tolist() == [at for at, one in enumerate(alone) for _ in one.grams]


def test_no_text_and_odd_text() -> None:
    assert sign([], 13).whole.shape == (0,)
    odd = ["\ud800", "\u0301", "\u0e31", "a\u0e31", "\U0010ffff", "\0", "\u0e31\u0e31 \u0301"]
    assert sign(odd, 13).weight.tolist() == [0, 0, 0, 16, 0, 0, 0]


def test_ngrams_do_not_collide() -> None:
    numbers = " ".join(map(str, range(100_000)))
    assert len(np.unique(sign([numbers], 5).grams)) == 100_000 - 4
    both = " ".join("ab"[int(n).bit_count() % 2] for n in range(1 << 9))  # Thue and Morse's, the worst there is
    assert not is_same(both, both.translate(str.maketrans("ab", "ba")))


def test_batches_are_bounded() -> None:
    found = list(batches(["x" * 200_000] * 5 + ["y" * 1_000_000, "z"]))
    assert [[len(text) for text in batch] for batch in found] == [
        [200_000, 200_000],
        [200_000, 200_000],
        [200_000],
        [1_000_000],
        [1],
    ]
    assert list(batches([])) == []
