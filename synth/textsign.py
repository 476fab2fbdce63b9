"""Texts as hashes that see letters and digits alone: of whole texts, and of runs of words.

`sign` folds case, width and accents, and drops punctuation, symbols and invisible characters; white space only says where
words begin. Of each text it takes two kinds of hash:

- one of all its letters: two texts with the same letters are the same text, whatever stands between them;
- one of the letters of each run of `ngram` words, begun at every word.

Scripts that write no spaces are measured by letters instead: a letter is a part of a word (see `_WEIGHTS`), so that an
n-gram, which ends where its weight is reached, works for mixed text too.

Hashes are of 64 bits. Of 10^8 hashes, a clean text of 250 n-grams shares one by chance with a probability of 1.4e-9.
They are stored: whoever changes one raises the version of the stage `benchmarks`.
"""

import functools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth.text import LETTERS_PER_WORD

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

WORD = 16
"""Weight of a word: other weights are parts of it."""
_HAN = round(WORD / LETTERS_PER_WORD)
_SYLLABLE = 4
"""Weight of a letter of the other scripts that write no spaces: kana, Thai, Lao, Burmese, Khmer, Tibetan. Article 1 of
the Universal Declaration of Human Rights has 30 words in English; in Thai 103 letters, vowel signs aside, 3.4 for each;
in Japanese 53 kana and 25 kanji, of which the kanji are worth 15.6 words: 3.7 kana for each of the rest. Rounded up."""
_LETTERS = 3
"""Letters a word by which a text counts as a word longer: "wer war Chopin" (12 letters) is a question of its own, and
"what is it" (8), "what is this" (10) and "where are you" (11) are not."""
_WEIGHTS = np.array([0, 0, WORD, _HAN, _SYLLABLE, 0], np.int64)
_GONE, _SPACE, _LETTER, _IDEOGRAM, _UNSPACED, _MARK = range(6)
"""Kinds of character: nothing; a border of words; part of a word; a word's part on its own (two weights); a mark that
belongs to the letter of an unspaced script before it."""

_HAN_RANGES = ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_UNSPACED_RANGES = (
    (0x0E00, 0x0FFF),  # Thai, Lao; Tibetan, whose point between syllables is dropped like other points
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue, Khmer symbols
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x3040, 0x31FF),  # kana, bopomofo
    (0xA000, 0xA4CF),  # Yi
    (0xA980, 0xA9FF),  # Javanese, Burmese extended
    (0xAA60, 0xAADF),  # Burmese extended, Tai Viet
)
_OPTIONAL_MARKS = (
    (0x0300, 0x036F),  # accents of Latin, Greek and Cyrillic letters
    (0x0483, 0x0489),  # Cyrillic
    (0x0591, 0x05C7),  # Hebrew points
    (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED), (0x08CA, 0x08FF),  # Arabic vowel points
    (0x0711, 0x0711), (0x0730, 0x074A),  # Syriac
    (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),  # more of the first
    (0x180B, 0x180F), (0xFE00, 0xFE0F),  # variation selectors
)  # fmt: skip
"""Marks that writers leave out at will. All others stay: without its vowel signs, a word of Hindi, Tamil or Thai is
another word, and without its voicing mark, one of Japanese."""
_BORDERS = "\u2014\u2015\u1361"
"""Points that stand between words with no blank: dashes, and the Ethiopic word space."""
_NOT_LETTERS = (*range(0x02B9, 0x0300), 0x0640)
"""Letters by category that are apostrophes and the like in use, and the Arabic stretcher."""
_LAST_LETTER = 0x323B0
"""Code points from here on are private, unassigned or invisible."""

_BASE = np.uint64(0x9E3779B97F4A7C1B)
"""Of the polynomial in 2^64; 3 modulo 8, so that -1, 1 and its low powers differ in as many bits as can be."""
_UNBASE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_BATCH = 1 << 19
"""Characters signed at once: some 100 bytes each while that lasts."""


@dataclass(frozen=True)
class Signed:
    """The hashes of some texts. An n-gram is given by its first word and the word after its last."""

    whole: Hashes
    """Of each text [texts]; anything where it has no letter."""
    weight: Numbers
    """Of each text [texts], in sixteenths of a word; 0 where it has no letter."""
    letters: Numbers
    """Of each text [texts]: code points that count, vowel signs among them."""
    grams: Hashes
    """[grams], in the order of the texts."""
    text: Numbers
    """Index of the text of each [grams]."""
    first: Numbers
    """[grams]; words are numbered through all texts."""
    after: Numbers
    """[grams]."""
    word_weights: Numbers
    """[words]."""
    word_texts: Numbers
    """Index of the text of each [words]."""

    def is_short(self, shortest: int) -> npt.NDArray[np.bool_]:
        """Whether each text has fewer than `shortest` words; one word fewer will do with `_LETTERS` for each of `shortest`."""
        words = (shortest - (self.letters >= _LETTERS * shortest)) * WORD
        return self.weight < words


def sign(texts: Sequence[str], ngram: int) -> Signed:
    """Hash `texts`, each as a whole, and all their n-grams of `ngram` words."""
    folded = [_fold(text) for text in texts]
    codes = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), np.uint32)
    owner = np.repeat(np.arange(len(folded)), np.fromiter(map(len, folded), np.int64, len(folded)))
    kinds = _kinds()[np.minimum(codes, _LAST_LETTER)]
    kept = np.flatnonzero(kinds != _GONE)
    codes, owner, kinds = codes[kept], owner[kept], kinds[kept]
    # A mark belongs to the letter before it, also across blanks, as in text out of a PDF; without a letter it is dropped.
    loose = (kinds == _MARK) | (kinds == _SPACE)
    letter = np.maximum.accumulate(np.where(loose, 0, np.arange(len(kinds))))
    base = np.where(kinds == _MARK, np.where(owner[letter] == owner, kinds[letter], _SPACE), kinds)
    before = np.r_[np.uint8(_SPACE), base[:-1]]
    opens = (kinds != _MARK) & ((base != _LETTER) | (before != _LETTER) | (np.diff(owner, prepend=-1) > 0))
    solid = np.flatnonzero((base != _SPACE) & (base != _MARK))
    codes, owner, base, opens = codes[solid], owner[solid], base[solid], opens[solid]

    letters = _Polynomial.of(codes)
    starts = np.flatnonzero(opens)
    word_texts, word_weights = owner[starts], _WEIGHTS[base[starts]]
    starts = np.r_[starts, len(codes)]
    weights = np.r_[0, np.cumsum(word_weights)]
    bounds = np.searchsorted(word_texts, np.arange(len(texts) + 1))
    after = np.searchsorted(weights, weights[:-1] + ngram * WORD)
    first = np.flatnonzero(after <= bounds[word_texts + 1]) if len(word_texts) else np.zeros(0, np.int64)
    after = after[first]
    return Signed(
        whole=letters.hashes(starts[bounds[:-1]], starts[bounds[1:]]),
        weight=weights[bounds[1:]] - weights[bounds[:-1]],
        letters=starts[bounds[1:]] - starts[bounds[:-1]],
        grams=letters.hashes(starts[first], starts[after]),
        text=word_texts[first],
        first=first,
        after=after,
        word_weights=word_weights,
        word_texts=word_texts,
    )


def _fold(text: str) -> str:
    """Fold case and width and take letters and their marks apart."""
    if text.isascii():
        return text.lower()
    text = text.replace("\u00b4", "")  # stands for an apostrophe, and would become a blank and an accent
    return unicodedata.normalize("NFKD", text).casefold().replace("ı", "i")  # the Turkish small letter of I


@functools.cache
def _kinds() -> npt.NDArray[np.uint8]:
    """Return the kind of each code point [_LAST_LETTER + 1]; the last stands for all after it."""
    category = np.array([unicodedata.category(chr(code)) for code in range(_LAST_LETTER + 1)])
    major = category.astype("U1")
    mark, number = major == "M", major == "N"
    letter = mark | number | (major == "L")
    unspaced = _within(_UNSPACED_RANGES)
    kinds = np.full(len(category), _GONE, np.uint8)
    kinds[letter] = _LETTER
    kinds[(major == "Z") | (category == "Cc")] = _SPACE
    kinds[[ord(point) for point in _BORDERS]] = _SPACE
    kinds[letter & _within(_HAN_RANGES)] = _IDEOGRAM
    kinds[letter & unspaced & ~number] = _UNSPACED
    kinds[mark & unspaced] = _MARK
    kinds[mark & _within(_OPTIONAL_MARKS)] = _GONE
    kinds[list(_NOT_LETTERS)] = _GONE
    return kinds


def _within(ranges: Iterable[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Return whether each code point [_LAST_LETTER + 1] is in one of `ranges`, ends included."""
    found = np.zeros(_LAST_LETTER + 1, bool)
    for first, last in ranges:
        found[first : last + 1] = True
    return found


@dataclass(frozen=True)
class _Polynomial:
    """The letters of texts, end to end, as prefix sums of a polynomial in 2^64, so that any stretch is hashed at once.

    Letters go in as mixed 64-bit numbers. Stretches that differ in one letter, or by two exchanged, never collide; for
    others it is as likely as for a random function, but for strings made on purpose (of Thue and Morse's kind), with which
    somebody could at worst have passages of their own rejected.
    """

    sums: Hashes
    unpowers: Hashes

    @classmethod
    def of(cls, codes: npt.NDArray[np.uint32]) -> "_Polynomial":
        size = len(codes)
        sums = np.cumsum(_mixed(codes.astype(np.uint64)) * _powers(_BASE, size + 1)[:-1], dtype=np.uint64)
        return cls(np.r_[np.uint64(0), sums], _powers(_UNBASE, size + 1))

    def hashes(self, starts: Numbers, ends: Numbers) -> Hashes:
        return _mixed((self.sums[ends] - self.sums[starts]) * self.unpowers[starts])


def _powers(base: np.uint64, size: int) -> Hashes:
    powers = np.full(size, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _mixed(values: Hashes) -> Hashes:
    """Mix the bits of each: a bijection of 64 bits (the finaliser of SplitMix64)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield `texts` in lists of about `_BATCH` characters; a longer text is alone in its own."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch
