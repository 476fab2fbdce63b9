"""Whether a text stands in a benchmark: the benchmarks' texts as hashes, and the rule by which a text is hit.

Texts are compared by their letters and digits alone: `sign` folds case, width and accents, and drops punctuation,
symbols and invisible characters; white space only says where words begin. Of each text it takes two kinds of hash:

- one of all its letters: two texts with the same letters are the same text, whatever stands between them;
- one of the letters of each run of `ngram` words, begun at every word.

A text is hit by a benchmark that has

- the whole of it, if it is not shorter than `shortest` words ("what is it" is in some benchmark, and says nothing); or
- n-grams in which at least `containment` of its words stand; or
- n-grams in which at least `shared_words` of its words stand: a short benchmark text inside a long one.

A text that shares half of its n-grams, as the usual rule has it, has more than half of its words in them: the second
finds all of these, and also short texts, of which one changed word spoils 13 n-grams.

Scripts that write no spaces are measured by letters instead: a letter is a part of a word (see `_WEIGHTS`), so that an
n-gram, which ends where its weight is reached, works for mixed text too.

Hashes are of 64 bits. Of 10^8 hashes, a clean text of 250 n-grams shares one by chance with a probability of 1.4e-9,
and is hit by one alone only if it is its whole text or most of its n-grams: chance plays no part.
"""

import functools
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from synth import readers
from synth.errors import ConfigError, InputError
from synth.formats import File, Row
from synth.settings import Strict
from synth.text import LETTERS_PER_WORD

Text = Annotated[str, Field(min_length=1)]
Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

EXACT, GRAM, SHORT = "exact", "gram", "short"
REASON = "contaminated"

BENCHMARKS = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False, metadata={"doc": "name of the benchmark"}),
        pa.field(
            "kind",
            pa.string(),
            nullable=False,
            metadata={
                "doc": "`exact`: of a whole text; `gram`: of one n-gram; `short`: of a text too short to be matched"
            },
        ),
        pa.field("hash", pa.uint64(), nullable=False, metadata={"doc": "64-bit hash of its letters and digits"}),
    ]
)


class Benchmark(Strict):
    """A benchmark that the dataset must not hold: exactly one of `beir`, `path` and `dataset`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=100)
    """What rejected rows and the card call it."""
    beir: Text | None = None
    """A folder as BEIR has them: corpus.jsonl, queries.jsonl (.gz too) and qrels/*.tsv."""
    path: Text | None = None
    """A .parquet, .jsonl, .csv, .txt or .md file (.gz too, but for Parquet), a folder of them, or a glob."""
    dataset: Text | None = None
    """Name of a dataset on the Hub, read as a stream."""
    config: str | None = None
    """Configuration of the dataset."""
    split: Text = "test"
    """Split of the dataset."""
    revision: str | None = None
    """Commit, tag or branch of the dataset; a commit makes the run repeatable."""
    columns: list[Text] = Field(["text"], min_length=1)
    """Columns of `path` or `dataset` that hold texts, or lists of texts. Nulls are passed over."""
    corpus: Literal["judged", "all", "none"] = "judged"
    """Passages of a BEIR folder that count: those that the qrels name, all (of MS MARCO, 8.8 million), or none."""
    splits: list[Text] | None = Field(None, min_length=1)
    """Qrels of a BEIR folder that count, with the queries that they name: `[test]` is qrels/test.tsv. All when null; of
    a benchmark that has a training split, null excludes that too."""

    @model_validator(mode="after")
    def _one_source(self) -> "Benchmark":
        given = [key for key in ("beir", "path", "dataset") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"benchmark {self.name!r}: give exactly one of `beir`, `path` and `dataset`, not {' and '.join(given) or 'none'}",
                fix=f"{{name: {self.name}, beir: benchmarks/{self.name}}}",
            )
        belong = {
            "columns": {"path", "dataset"},
            "corpus": {"beir"},
            "splits": {"beir"},
            **{key: {"dataset"} for key in ("config", "split", "revision")},
        }
        for key, kinds in belong.items():
            if key in self.model_fields_set and given[0] not in kinds:
                raise ConfigError(
                    f"benchmark {self.name!r}: `{key}` is for {' and '.join(f'`{kind}`' for kind in sorted(kinds))}, "
                    f"and this one has `{given[0]}`",
                    fix=f"remove `{key}`",
                )
        return self


class Decontamination(Strict):
    """Keep the texts of benchmarks out of passages, queries and positives. Without benchmarks, nothing is rejected."""

    benchmarks: list[Benchmark] = Field([])
    """Each a source of texts that the dataset must not hold."""
    ngram: int = Field(13, ge=4, le=100)
    """Words per n-gram. GPT-3 was decontaminated by 13-grams, and so were the benchmarks that LightOn cleaned."""
    containment: float = Field(0.5, gt=0, le=1)
    """Share of a text's words, within n-grams of one benchmark, from which it is hit."""
    shared_words: int = Field(20, ge=4, le=10_000)
    """Words of a text, within n-grams of one benchmark, from which it is hit, however long it is."""
    shortest: int = Field(4, ge=1, le=100)
    """Words from which a text that is a benchmark's is hit; one fewer will do if it has three letters for each of these.
    Shorter ones ("what is it", "yes") are anybody's, and labels would take all rows of a task with them."""

    @model_validator(mode="after")
    def _fits(self) -> "Decontamination":
        names = Counter(benchmark.name for benchmark in self.benchmarks)
        if twice := next((name for name, number in names.items() if number > 1), None):
            raise ConfigError(f"decontamination: two benchmarks are named {twice!r}", fix="give each a name of its own")
        if self.shared_words < self.ngram:
            raise ConfigError(
                f"decontamination: shared_words ({self.shared_words}) is less than ngram ({self.ngram})",
                fix=f"shared_words: {self.ngram} or more: words are shared in runs of `ngram`",
            )
        return self


# Reading.


def files(benchmark: Benchmark) -> list[File]:
    """Return the files that a benchmark is read from, in order; none for one on the Hub.

    Raises InputError where one is missing.
    """
    if benchmark.path is not None:
        return readers.files(benchmark.path)
    if benchmark.beir is None:
        return []
    folder = Path(benchmark.beir).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"benchmark {benchmark.name!r}: {folder}: no such folder (looked in {folder.absolute().parent})",
            fix="mend `beir`: it is the folder that holds queries.jsonl",
        )
    parts = ["queries"] if benchmark.corpus == "none" else ["corpus", "queries"]
    return [*(_beir_file(benchmark, folder, part) for part in parts), *_qrels(benchmark, folder)]


def _beir_file(benchmark: Benchmark, folder: Path, part: str) -> File:
    for name in (f"{part}.jsonl", f"{part}.jsonl.gz"):
        if (folder / name).is_file():
            return File(folder / name, name, ".jsonl")
    raise InputError(
        f"benchmark {benchmark.name!r}: {folder} has no {part}.jsonl (nor {part}.jsonl.gz)",
        fix="complete the folder"
        + (", or say `corpus: none` if only the queries are to be kept out" if part == "corpus" else ""),
    )


def _qrels(benchmark: Benchmark, folder: Path) -> list[File]:
    if benchmark.corpus != "judged" and benchmark.splits is None:
        return []
    there = sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))
    wanted = benchmark.splits if benchmark.splits is not None else there
    if missing := next((split for split in wanted if split not in there), None):
        raise InputError(
            f"benchmark {benchmark.name!r}: {folder}/qrels has no {missing}.tsv (there are: {', '.join(there) or 'none'})",
            fix="name splits that are there under `splits`, or complete the folder",
        )
    if not wanted:
        raise InputError(
            f"benchmark {benchmark.name!r}: {folder}/qrels has no .tsv file, so no passage is judged",
            fix="complete the folder, or say `corpus: all` or `corpus: none`",
        )
    # Tabs, a header, one row a line: what the reader of CSV reads, with its checks.
    return [File(folder / "qrels" / f"{split}.tsv", f"qrels/{split}.tsv", ".csv") for split in wanted]


def texts(benchmark: Benchmark) -> Iterator[str]:
    """Yield the texts of a benchmark, in order: passages (as such, and after their title), then queries.

    Raises InputError at the first row that cannot be read, and when there is no text: a benchmark that is read by half
    keeps out half. Holds the ids that qrels name, some 100 bytes each.
    """
    found = _beir_texts(benchmark) if benchmark.beir is not None else _column_texts(benchmark)
    first = next(found, None)
    if first is None:
        raise InputError(
            f"benchmark {benchmark.name!r}: there is not one text in it",
            fix="name the right file, and the right columns under `columns`",
        )
    yield from itertools.chain([first], found)


def _column_texts(benchmark: Benchmark) -> Iterator[str]:
    source = benchmark.model_dump(include={"path", "dataset", "config", "split", "revision"})
    for row in readers.rows(columns=benchmark.columns, **source):
        values = _values(benchmark, row)
        for column in benchmark.columns:
            value = values.get(column)
            for text in value if isinstance(value, list) else [value]:
                if text is not None:
                    yield from _letters_only(_text(benchmark, row, column, text))


def _beir_texts(benchmark: Benchmark) -> Iterator[str]:
    there = files(benchmark)
    found = {file.name.partition(".")[0]: file for file in there}
    queries, passages = None, None
    if judged := [file for file in there if file.name.startswith("qrels/")]:
        columns = ("query-id", "corpus-id")
        pairs = [tuple(_values(benchmark, row)[name] for name in columns) for row in readers.read(judged, columns)]
        queries = {query for query, _ in pairs} if benchmark.splits is not None else None
        passages = {passage for _, passage in pairs} if benchmark.corpus == "judged" else None
    for part, wanted in (("corpus", passages), ("queries", queries)):
        if part not in found:
            continue
        seen: set[str] = set()
        for row in readers.read([found[part]], ["_id", "text"]):
            values = _values(benchmark, row)
            if values.get("_id") is None:
                raise _unreadable(benchmark, row, "it has no `_id`")
            if wanted is not None:
                if (identity := str(values["_id"])) not in wanted:
                    continue
                seen.add(identity)
            text = _text(benchmark, row, "text", values.get("text"))
            title = _text(benchmark, row, "title", values.get("title") or "")
            yield from _letters_only(text)
            if title:
                yield from _letters_only(f"{title} {text}")  # as embedders are given it
        if wanted is not None and len(seen) < len(wanted):
            absent = min(wanted - seen)
            raise InputError(
                f"benchmark {benchmark.name!r}: {found[part].path} lacks {len(wanted) - len(seen):,} of the {len(wanted):,} "
                f"ids that the qrels name, among them {absent!r}",
                fix="is the file whole? If it is so at its source, take these lines out of the qrels",
            )


def _letters_only(text: str) -> Iterator[str]:
    if any(map(str.isalnum, text)):
        yield text


def _values(benchmark: Benchmark, row: Row) -> Mapping[str, Any]:
    if row.values is None:
        raise _unreadable(benchmark, row, row.error)
    return row.values


def _text(benchmark: Benchmark, row: Row, column: str, value: Any) -> str:
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise _unreadable(benchmark, row, f"column {column!r} is {kind}, not a string")
    return value


def _unreadable(benchmark: Benchmark, row: Row, problem: str) -> InputError:
    where = benchmark.path or benchmark.beir or benchmark.dataset
    return InputError(
        f"benchmark {benchmark.name!r}: {where}: {row.source}: {problem}",
        fix="mend that row, or take it out: a benchmark must be read whole",
    )


# Hashing.

_WORD = 16
"""Weight of a word."""
_HAN = round(_WORD / LETTERS_PER_WORD)
_SYLLABLE = 4
"""Weight of a letter of the other scripts that write no spaces: kana, Thai, Lao, Burmese, Khmer, Tibetan. Article 1 of
the Universal Declaration of Human Rights has 30 words in English; in Thai 103 letters, vowel signs aside, 3.4 for each;
in Japanese 53 kana and 25 kanji, of which the kanji are worth 15.6 words: 3.7 kana for each of the rest. Rounded up."""
_LETTERS = 3
"""Letters a word by which a text counts as a word longer: "wer war Chopin" (12 letters) is a question of its own, and
"what is it" (8), "what is this" (10) and "where are you" (11) are not."""
_WEIGHTS = np.array([0, 0, _WORD, _HAN, _SYLLABLE, 0], np.int64)
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
_BORDERS = frozenset("\u2014\u2015\u1361")
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
        words = (shortest - (self.letters >= _LETTERS * shortest)) * _WORD
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
    after = np.searchsorted(weights, weights[:-1] + ngram * _WORD)
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
    kinds = np.zeros(_LAST_LETTER + 1, np.uint8)
    for code in range(_LAST_LETTER):
        category = unicodedata.category(chr(code))
        if category[0] in "LNM":
            kinds[code] = _LETTER
        elif category[0] == "Z" or category == "Cc" or chr(code) in _BORDERS:
            kinds[code] = _SPACE
    for first, last in _HAN_RANGES:
        kinds[first : last + 1][kinds[first : last + 1] == _LETTER] = _IDEOGRAM
    for first, last in _UNSPACED_RANGES:
        for code in range(first, last + 1):
            if kinds[code] == _LETTER and (category := unicodedata.category(chr(code)))[0] != "N":
                kinds[code] = _MARK if category[0] == "M" else _UNSPACED
    for first, last in _OPTIONAL_MARKS:
        for code in range(first, last + 1):
            if unicodedata.category(chr(code))[0] == "M" or code == 0x0711:
                kinds[code] = _GONE
    kinds[list(_NOT_LETTERS)] = _GONE
    return kinds


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


# Looking up.


@dataclass(frozen=True)
class _Lookup:
    """Sorted hashes, each with the number of its benchmark: 10 bytes a hash."""

    hashes: Hashes
    benchmarks: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, hashes: Hashes, benchmarks: npt.NDArray[np.uint16]) -> "_Lookup":
        order = np.lexsort((benchmarks, hashes))
        hashes, benchmarks = hashes[order], benchmarks[order]
        new = np.ones(len(hashes), bool)
        new[1:] = (hashes[1:] != hashes[:-1]) | (benchmarks[1:] != benchmarks[:-1])
        return cls(hashes[new], benchmarks[new])

    def find(self, hashes: Hashes) -> tuple[Numbers, npt.NDArray[np.uint16]]:
        """Return the places in `hashes` of those that are there, and the benchmark of each: a place per benchmark."""
        wanted, places = np.unique(hashes, return_inverse=True)  # in order, look-ups stay in the processor's cache
        left = np.searchsorted(self.hashes, wanted)
        there = left < len(self.hashes)
        there[there] = self.hashes[left[there]] == wanted[there]
        found = np.flatnonzero(there[places])
        left = left[places[found]]
        right = np.searchsorted(self.hashes, hashes[found], "right")
        number = right - left
        at = np.arange(number.sum()) + np.repeat(left - np.cumsum(number) + number, number)
        return np.repeat(found, number), self.benchmarks[at]


@dataclass(frozen=True)
class Hit:
    """A text that stands in a benchmark, and how that was seen: `exact`, `13-grams 0.71` or `31 words`."""

    benchmark: str
    what: str


@dataclass(frozen=True)
class Size:
    """What a benchmark holds, each counted once."""

    texts: int
    """Whole texts that can be matched; a passage with a title is two, with it and without."""
    short: int
    """Texts too short to be matched."""
    grams: int
    """N-grams."""


def hashed(benchmark: str, texts: Sequence[str], rule: Decontamination) -> pa.Table:
    """Return the hashes of a benchmark's texts (BENCHMARKS), each once, sorted by kind and hash."""
    signed = sign(texts, rule.ngram)
    short, some = signed.is_short(rule.shortest), signed.weight > 0
    kinds = {
        EXACT: np.unique(signed.whole[~short & some]),
        GRAM: np.unique(signed.grams),
        SHORT: np.unique(signed.whole[short & some]),
    }
    count = sum(map(len, kinds.values()))
    return pa.table(
        [
            pa.repeat(pa.scalar(benchmark), count),
            pa.array(np.repeat(list(kinds), [len(found) for found in kinds.values()]), pa.string()),
            pa.array(np.concatenate(list(kinds.values())), pa.uint64()),
        ],
        schema=BENCHMARKS,
    )


@dataclass(frozen=True)
class Index:
    """The hashes of all benchmarks: 10 bytes each, and some 40 while it is built."""

    rule: Decontamination
    _exact: _Lookup
    _grams: _Lookup
    _short: _Lookup

    @classmethod
    def of(cls, tables: Iterable[pa.Table], rule: Decontamination) -> "Index":
        """Build the index from the shards of the stage `benchmarks` (BENCHMARKS)."""
        names = pa.array([benchmark.name for benchmark in rule.benchmarks], pa.string())
        found: dict[str, list[tuple[Hashes, npt.NDArray[np.uint16]]]] = {EXACT: [], GRAM: [], SHORT: []}
        for rows in tables:
            numbers = pc.index_in(rows.column("benchmark"), value_set=names).to_numpy().astype(np.uint16)
            hashes = rows.column("hash").to_numpy()
            for kind, parts in found.items():
                mine = pc.equal(rows.column("kind"), kind).to_numpy()
                parts.append((hashes[mine], numbers[mine]))
        none = (np.zeros(0, np.uint64), np.zeros(0, np.uint16))

        def lookup(kind: str) -> _Lookup:
            hashes, numbers = zip(*found.pop(kind), none, strict=True)
            return _Lookup.of(np.concatenate(hashes), np.concatenate(numbers))

        return cls(rule, lookup(EXACT), lookup(GRAM), lookup(SHORT))

    def sizes(self) -> dict[str, Size]:
        """Return what each benchmark holds, in the order of the config."""
        numbers = [
            np.bincount(one.benchmarks, minlength=len(self.rule.benchmarks)).tolist()
            for one in (self._exact, self._short, self._grams)
        ]
        return {b.name: Size(*counts) for b, *counts in zip(self.rule.benchmarks, *numbers, strict=True)}

    def hits(self, texts: Sequence[str]) -> list[tuple[Hit, ...]]:
        """Return what each text is hit by, a hit per benchmark, in the order of the config; mostly none."""
        return [hits for batch in batches(texts) for hits in self._hits(batch)]

    def _hits(self, texts: Sequence[str]) -> list[tuple[Hit, ...]]:
        rule, signed = self.rule, sign(texts, self.rule.ngram)
        found: list[dict[int, str]] = [{} for _ in texts]
        long = np.flatnonzero(~signed.is_short(rule.shortest))
        places, benchmarks = self._exact.find(signed.whole[long])
        for text, benchmark in zip(long[places].tolist(), benchmarks.tolist(), strict=True):
            found[text][benchmark] = EXACT

        places, benchmarks = self._grams.find(signed.grams)
        for benchmark in np.unique(benchmarks).tolist():
            covered = _covered(signed, places[benchmarks == benchmark])
            shares, words = covered / np.maximum(signed.weight, 1), covered / _WORD
            for text in np.flatnonzero((shares >= rule.containment) | (words >= rule.shared_words)).tolist():
                share, shared = shares[text], words[text]
                what = f"{rule.ngram}-grams {share:.2f}" if share >= rule.containment else f"{shared:.0f} words"
                found[text].setdefault(benchmark, what)
        names = [benchmark.name for benchmark in rule.benchmarks]
        return [tuple(Hit(names[benchmark], hits[benchmark]) for benchmark in sorted(hits)) for hits in found]


def _covered(signed: Signed, grams: Numbers) -> Numbers:
    """Return the weight of the words of each text [texts] that stand in at least one of `grams`."""
    depth = np.zeros(len(signed.word_weights) + 1, np.int64)
    np.add.at(depth, signed.first[grams], 1)
    np.add.at(depth, signed.after[grams], -1)
    inside = np.flatnonzero(np.cumsum(depth)[:-1])
    covered = np.zeros(len(signed.weight), np.int64)
    np.add.at(covered, signed.word_texts[inside], signed.word_weights[inside])
    return covered


def verdict(hits: Mapping[str, Sequence[Hit]]) -> str | None:
    """Return what `schemas.annotate` takes: null without a hit, else reason and, per benchmark, what was seen.

    `hits` are given by column. With one column: `contaminated: nq: exact; hotpotqa: 31 words`; with several, each hit
    names its column: `contaminated: nq: query exact`.
    """
    found = [
        f"{hit.benchmark}: {f'{column} ' if len(hits) > 1 else ''}{hit.what}"
        for column, column_hits in hits.items()
        for hit in column_hits
    ]
    return f"{REASON}: {'; '.join(found)}" if found else None


def counts(rows: pa.Table) -> dict[str, int]:
    """Count the rows that each benchmark has hit, by the columns `reason` and `detail`; sorted by name.

    A row that several have hit counts for each, so these may add up to more than there are rejected rows.
    """
    found: Counter[str] = Counter()
    for reason, detail in zip(rows.column("reason").to_pylist(), rows.column("detail").to_pylist(), strict=True):
        if reason == REASON:
            found.update({hit.partition(": ")[0] for hit in (detail or "").split("; ")})
    return dict(sorted(found.items()))
