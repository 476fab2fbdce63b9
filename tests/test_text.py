"""Words of many scripts: whole, and the same in other clothes."""

import unicodedata

import pytest

from synth.text import count_words, is_unspaced, normalise, words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("हिन्दी में पानी नहीं है।", ["हिन्दी", "में", "पानी", "नहीं", "है"]),
        ("क्या बारिश का पानी पी सकते हैं?", ["क्या", "बारिश", "का", "पानी", "पी", "सकते", "हैं"]),
        ("বাংলা ভাষায় কথা বলো।", ["বাংলা", "ভাষায়", "কথা", "বলো"]),
        ("நான் தமிழ் பேசுகிறேன்.", ["நான்", "தமிழ்", "பேசுகிறேன்"]),
        ("తెలుగు, ಕನ್ನಡ, മലയാളം", ["తెలుగు", "ಕನ್ನಡ", "മലയാളം"]),
        ("ਪੰਜਾਬੀ ગુજરાતી ଓଡ଼ିଆ සිංහල", ["ਪੰਜਾਬੀ", "ગુજરાતી", "ଓଡ଼ିଆ", "සිංහල"]),
        ("བོད་ཡིག", ["བོད", "ཡིག"]),
        ("ދިވެހި ބަސް", ["ދިވެހި", "ބަސް"]),
        ("ไทย ที่", ["ไ", "ท", "ย", "ที่"]),
        ("ດີ ບໍ່", ["ດີ", "ບໍ່"]),
        ("ខ្មែរ។", ["ខ្", "មែ", "រ"]),
        ("မြန်မာ၊", ["မြ", "န်", "မာ"]),
    ],
)
def test_vowel_signs_belong_to_their_word(text: str, wanted: list[str]) -> None:
    wanted = [unicodedata.normalize("NFC", word) for word in wanted]
    assert words(text) == wanted
    assert words(unicodedata.normalize("NFD", text)) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("है", "हो"),
        ("पानी", "पान"),
        ("কলা", "কালা"),
        ("நான்", "நான"),
        ("ปา", "ป่า"),
        ("ไกล", "ใกล้"),
        ("မာ", "မား"),
    ],
)
def test_another_vowel_sign_is_another_word(one: str, other: str) -> None:
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("L’Été, ça", "l’ete, ca"),
        ("Straße  ﬁn", "strasse fin"),
        ("Ελλάδα Όσος", "ελλαδα οσοσ"),
        ("Йод ёлка", "иод елка"),
        ("İstanbul", "istanbul"),
        ("مُحَمَّدٌ", "محمد"),
        ("محـــمد", "محمد"),
        ("أحمد إلى آخر", "احمد الى اخر"),
        ("שָׁלוֹם", "שלום"),
        ("Ｆｕｌｌ\u3000ｗｉｄｔｈ", "full width"),
        ("ｶﾞｽ が", "カス か"),
        ("한국어", "한국어"),
        ("soft\u00adhyphen\u200b", "softhyphen"),
        ("नज़र", "नजर"),  # the dot is left out at will
        ("क्\u200dष", "क्ष"),  # a joiner only says how it is drawn
        ("\t A\n b ", "a b"),
        ("", ""),
    ],
)
def test_other_clothes_are_taken_off(text: str, wanted: str) -> None:
    assert normalise(text) == wanted
    assert normalise(unicodedata.normalize("NFD", text)) == wanted
    assert normalise(wanted) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("State-of-the-art, snake_case: 3.14!", ["state", "of", "the", "art", "snake", "case", "3", "14"]),
        ("die Größe und l'été", ["die", "grosse", "und", "l", "ete"]),
        ("سِحْرُ الكَلِمَة", ["سحر", "الكلمة"]),
        ("北京 2008 iPhone很好", ["北", "京", "2008", "iphone", "很", "好"]),
        ("ガスの", ["カ", "ス", "の"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("\u0e31 \u093f \u0301 …", []),  # marks without a letter
    ],
)
def test_words_of_other_scripts(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


@pytest.mark.parametrize(
    ("text", "number", "unspaced"),
    [
        ("क्या बारिश का पानी पी सकते हैं?", 7, False),
        ("নদী কোথায়?", 2, False),
        ("ที่นี่", 2, True),  # two letters and their signs, which are no letters: ท, น
        ("ខ្មែរ។", 2, True),
        ("北京在哪里？", 4, True),
        ("iPhone 15 ในไทย", 6, True),
        ("Wo ist 北?", 3, False),
        ("… ?", 0, False),
    ],
)
def test_words_are_counted(text: str, number: int, unspaced: bool) -> None:
    assert count_words(text) == number
    assert is_unspaced(text) is unspaced
