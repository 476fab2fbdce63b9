"""Texts made comparable: the same words in other clothes (case, accents, width, points) become the same strings."""

import re
import unicodedata

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts that write no spaces between words: Thai, Lao, Burmese, Khmer, Kana, Han."""
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+")
_LATIN_RUN = re.compile(rf"[^\s{_UNSPACED}]*[^\W_{_UNSPACED}][^\s{_UNSPACED}]*")

LETTERS_PER_WORD = 1.6
"""Letters of an unspaced script that say as much as a word: XQuAD's 1,190 questions have 1.56 Han characters in
Chinese for each word they have in English."""


def normalise(text: str) -> str:
    """Fold case, width, ligatures, accents and vowel points, drop invisible marks; white space becomes one space."""
    letters = (c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in ("Mn", "Cf"))
    return " ".join(unicodedata.normalize("NFC", "".join(letters)).casefold().replace("\u0640", "").split())


def words(text: str) -> list[str]:
    """Split into normalised words, in order; in scripts without spaces each letter is a word of its own."""
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
