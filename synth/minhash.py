"""Near-equal texts, for queries and passages alike: exact equality first, then MinHash over character n-grams.

Signatures are datasketch's. Its LSH index keeps Python sets per band and row (some 10 KB a row), so banding is done
here with sorted arrays instead: per band, rows are sorted by the band's hash, and rows that share one are compared.
The result depends on the set of texts alone, not on their order.
"""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from synth.text import is_unspaced, normalise

Labels = npt.NDArray[np.int64]

_SEED = 1
_WINDOW = 16
"""Rows of one bucket are compared with the next so many: all pairs of a bucket of up to 17 rows, a chain in a larger
one. Bounds the work on buckets of near-equal rows to 16 comparisons a row and band."""
_PAIRS = 1 << 16
"""Pairs compared in one go: 64 MB of signatures at 128 permutations."""
_RECALL = (0.1, 0.9)
"""Weights of false positives and negatives in the choice of bands. Candidates are verified, so misses cost more."""
_ENDS = " \t\n.,;:?!¿¡。、？！'\"«»“”„‘’()[]"


def same(text: str) -> str:
    """Return what two texts share that are the same: case, accents, white space and final marks aside."""
    return normalise(text).strip(_ENDS)


def shingles(text: str, ngram: int) -> set[str]:
    """Return the character n-grams of a text; a shorter one is its own.

    Scripts without spaces put a word into one or two characters: half the length carries about as much there.
    """
    if is_unspaced(text):
        ngram = max(1, ngram // 2)
    return {text[at : at + ngram] for at in range(max(1, len(text) - ngram + 1))}


@dataclass
class NearCopies:
    """Collects texts batch by batch; `labels` says which belong together.

    Holds 8 bytes a text for the hash of its normalised form, and 4 bytes per permutation for its signature: 520 bytes
    at 128 permutations, and some 60 more while `labels` works. The text itself is not held. Among 10^8 texts, two share
    a hash with a probability of 3 in 10,000.
    """

    threshold: float
    ngram: int
    permutations: int = 128
    _hashes: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    _signatures: npt.NDArray[np.uint32] = field(init=False)

    def __post_init__(self) -> None:
        self._signatures = np.zeros((0, self.permutations), np.uint32)

    def add(self, texts: Sequence[str]) -> None:
        if not texts:
            return
        from datasketch import MinHash  # it imports scipy: 0.3 s that `synth --help` has no use for

        texts = [same(text) for text in texts]
        made = MinHash.bulk(
            ([piece.encode() for piece in shingles(text, self.ngram)] for text in texts),
            num_perm=self.permutations,
            seed=_SEED,
            hashfunc=zlib.crc32,
        )
        at = len(self._signatures)
        # In place: the system moves pages, where joining a list at the end would hold all of it twice.
        self._signatures.resize((at + len(made), self.permutations), refcheck=False)
        self._signatures[at:] = [one.hashvalues for one in made]
        self._hashes.append(np.fromiter(map(_hash, texts), np.uint64, len(texts)))

    def labels(self) -> Labels:
        """Return int64 [n]: per text, in the order of adding, the number of the first text of its group."""
        if not self._hashes:
            return np.zeros(0, np.int64)
        # Sorted by the hash of the text: what is compared in a large bucket must not depend on the order of adding.
        _, first, inverse = np.unique(np.concatenate(self._hashes), return_index=True, return_inverse=True)
        groups = _connect(self._signatures, first, self.threshold)[inverse]
        earliest = np.full(len(first), len(inverse), np.int64)
        np.minimum.at(earliest, groups, np.arange(len(inverse)))
        labels: Labels = earliest[groups]
        return labels


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _connect(signatures: npt.NDArray[np.uint32], rows: Labels, threshold: float) -> Labels:
    """Return int64 [rows]: connected components of the pairs whose estimated Jaccard similarity reaches `threshold`.

    `signatures` is [n, permutations]; `rows` says which of them to look at, and in which order.
    """
    from datasketch import MinHashLSH

    parent = np.arange(len(rows))
    # For a threshold of 1 the best choice is a single band, which datasketch refuses.
    bands = MinHashLSH(min(threshold, 0.95), signatures.shape[1], weights=_RECALL)
    for start, stop in bands.hashranges:
        keys = np.zeros(len(rows), np.uint64)
        for column in range(start, stop):  # any mixing will do: a collision only costs a comparison
            keys = (keys ^ signatures[rows, column]) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(29)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for shift in range(1, min(_WINDOW, len(order) - 1) + 1):
            together = np.flatnonzero(keys[shift:] == keys[:-shift])
            if not len(together):
                break
            parent = _flatten(parent)
            left, right = order[together], order[together + shift]
            apart = parent[left] != parent[right]
            left, right = left[apart], right[apart]
            for at in range(0, len(left), _PAIRS):
                a, b = left[at : at + _PAIRS], right[at : at + _PAIRS]
                near = (signatures[rows[a]] == signatures[rows[b]]).mean(axis=1) >= threshold
                for one, other in zip(a[near].tolist(), b[near].tolist(), strict=True):
                    _join(parent, one, other)
    return _flatten(parent)


def _flatten(parent: Labels) -> Labels:
    while (parent[parent] != parent).any():
        parent = parent[parent]
    return parent


def _join(parent: Labels, one: int, other: int) -> None:
    roots = []
    for node in (one, other):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = int(parent[node])
        roots.append(node)
    parent[max(roots)] = min(roots)
