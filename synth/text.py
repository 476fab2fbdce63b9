"""Texts made comparable: the same words in other clothes (case, accents, width, points) become the same strings.

Accents and vowel points that writers leave out are dropped. The vowel signs of Indic and South-East Asian scripts are
not: they are written by everybody, and without them "है" and "हो", "पानी" and "पन" would be the same word.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable


def _characters(ranges: Iterable[tuple[int, int]], wanted: Callable[[str], bool]) -> str:
    """Return the characters of `ranges`, ends included, that are `wanted`, for a set in a pattern."""
    return "".join(c for first, last in ranges for c in map(chr, range(first, last + 1)) if wanted(c))


_SIGNS = _characters(
    (
        (0x0780, 0x07BF),  # Thaana
        (0x0900, 0x109F),  # Devanagari and its kin, down to Sinhala; Thai, Lao, Tibetan, Burmese
        (0x1700, 0x17FF),  # Philippine scripts, Khmer
        (0x1900, 0x1AAF),  # Limbu, Tai Le, Buginese, Tai Tham
        (0x1B00, 0x1C4F),  # Balinese, Sundanese, Batak, Lepcha
        (0xA800, 0xABFF),  # Syloti Nagri, Saurashtra, Javanese, Cham, Meetei Mayek
    ),
    lambda c: unicodedata.category(c) in ("Mn", "Mc") and c != "\u093c",  # a dot: Hindi has नज़र and नजर at will
)
"""Marks that make another word of a word: vowel signs, tone marks, what kills a vowel. They belong to the letter before.
Scripts beyond U+FFFF (Chakma is in use, Brahmi and others are not) are left out: looking for them would halve the speed."""
_UNSPACED = (
    _characters(((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)), str.isalnum)
    + "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Letters of scripts that write no spaces between words: Thai, Lao, Burmese, Khmer, Kana, Han."""
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(rf"[{_UNSPACED}][{_SIGNS}]*|[^\W_{_UNSPACED}]+(?:[{_SIGNS}]+[^\W_{_UNSPACED}]*)*")
_LATIN_RUN = re.compile(rf"[^\s{_UNSPACED}]*[^\W_{_UNSPACED}][^\s{_UNSPACED}]*")

LETTERS_PER_WORD = 1.6
"""Letters of an unspaced script that say as much as a word: XQuAD's 1,190 questions have 1.56 Han characters in
Chinese for each word they have in English."""


class _Kept(dict[int, int | None]):
    """Which characters stay, for `str.translate`: each is looked up when it is first seen."""

    def __missing__(self, code: int) -> int | None:
        category = unicodedata.category(chr(code))
        gone = category == "Cf" or code == 0x0640 or (category == "Mn" and chr(code) not in _SIGNS)
        self[code] = None if gone else code
        return self[code]


_KEPT = _Kept()


def normalise(text: str) -> str:
    """Fold case, width, ligatures, accents and vowel points, drop the Arabic stretcher and invisible marks; white space
    becomes one space."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text).translate(_KEPT)
        text = unicodedata.normalize("NFC", letters)
    return " ".join(text.casefold().split())


def words(text: str) -> list[str]:
    """Split into normalised words, in order; in scripts without spaces each letter is a word of its own, with its signs."""
    return _WORD.findall(normalise(text))


def is_unspaced(text: str) -> bool:
    """Whether most of the text is in a script that writes no spaces between words."""
    return len(_UNSPACED_LETTER.findall(text)) > len(_LATIN_RUN.findall(text))


def count_words(text: str) -> int:
    """Count words by white space, and letters of unspaced scripts at LETTERS_PER_WORD a word, rounded up."""
    return len(_LATIN_RUN.findall(text)) + -int(-len(_UNSPACED_LETTER.findall(text)) // LETTERS_PER_WORD)


def one_of(names: str) -> str:
    """Return a pattern of alternatives: names by white space, `_` where a name has a space, patterns where it has one."""
    return f"(?:{'|'.join(name.replace('_', ' ') for name in names.split())})"
