"""Whether a text stands in a benchmark: the benchmarks' texts as hashes (synth/textsign.py), and the rule by which one is hit.

A text is hit by a benchmark that has

- the whole of it, if it is not shorter than `shortest` words ("what is it" is in some benchmark, and says nothing); or
- n-grams in which at least `containment` of its words stand; or
- n-grams in which at least `shared_words` of its words stand: a short benchmark text inside a long one.

A text that shares half of its n-grams, as the usual rule has it, has more than half of its words in them: the second
finds all of these, and also short texts, of which one changed word spoils 13 n-grams.

Hashes that are equal by chance play no part: a text is hit by one alone only if it is its whole text or most of its n-grams.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.benchmarks import Decontamination
from synth.textsign import WORD, Hashes, Numbers, Signed, batches, sign

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
    _lookups: Mapping[str, _Lookup]
    """By kind of hash."""

    @classmethod
    def of(cls, tables: Iterable[pa.Table], rule: Decontamination) -> "Index":
        """Build the index from the shards of the stage `benchmarks` (BENCHMARKS)."""
        names = pa.array([benchmark.name for benchmark in rule.benchmarks], pa.string())
        none = (np.zeros(0, np.uint64), np.zeros(0, np.uint16))
        found = {kind: [none] for kind in (EXACT, SHORT, GRAM)}
        for rows in tables:
            numbers = pc.index_in(rows.column("benchmark"), value_set=names).to_numpy().astype(np.uint16)
            hashes = rows.column("hash").to_numpy()
            for kind, parts in found.items():
                mine = pc.equal(rows.column("kind"), kind).to_numpy()
                parts.append((hashes[mine], numbers[mine]))
        # One kind after the other, so that the parts of one are freed before the next is joined.
        lookups = {kind: _Lookup.of(*map(np.concatenate, zip(*found.pop(kind), strict=True))) for kind in list(found)}
        return cls(rule, lookups)

    def sizes(self) -> dict[str, Size]:
        """Return what each benchmark holds, in the order of the config."""
        wanted = self.rule.benchmarks
        numbers = [np.bincount(self._lookups[kind].benchmarks, minlength=len(wanted)) for kind in (EXACT, SHORT, GRAM)]
        return {one.name: Size(*map(int, counts)) for one, *counts in zip(wanted, *numbers, strict=True)}

    def hits(self, texts: Sequence[str]) -> list[tuple[Hit, ...]]:
        """Return what each text is hit by, a hit per benchmark, in the order of the config; mostly none."""
        return [hits for batch in batches(texts) for hits in self._hits(batch)]

    def _hits(self, texts: Sequence[str]) -> list[tuple[Hit, ...]]:
        rule, signed = self.rule, sign(texts, self.rule.ngram)
        found: list[dict[int, str]] = [{} for _ in texts]
        long = np.flatnonzero(~signed.is_short(rule.shortest))
        places, benchmarks = self._lookups[EXACT].find(signed.whole[long])
        for text, benchmark in zip(long[places].tolist(), benchmarks.tolist(), strict=True):
            found[text][benchmark] = EXACT

        places, benchmarks = self._lookups[GRAM].find(signed.grams)
        for benchmark in np.unique(benchmarks).tolist():
            covered = _covered(signed, places[benchmarks == benchmark])
            shares, words = covered / np.maximum(signed.weight, 1), covered / WORD
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
