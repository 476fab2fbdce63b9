"""Which kinds of passages a corpus has, and how many of each in every shard: what planning by targets counts with.

groups.json   the kinds: [language, whether it is code, languages that the corpus has translations in]
groups.npy    int32 [n]: the kind of each passage of the index
census.npy    int64 [shards, kinds]: passages in the running
parallel.npy  [m] of (key uint64, row int64), sorted: the passages that have translations; those of one key are
              translations of each other
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

COLUMNS = ["language", "syntax", "parallel", "ordinal", "passages"]
"""Of passages: what `Counts.add` reads."""
PARALLEL = np.dtype([("key", "<u8"), ("row", "<i8")])


class Group(NamedTuple):
    """A kind of passage."""

    language: str
    code: bool
    parallel: tuple[str, ...]
    """Other languages that the passage is in the corpus in, sorted."""


@dataclass(frozen=True)
class Census:
    groups: list[Group]
    passages: npt.NDArray[np.int64]
    """[shards, groups]"""


def key(parallel: str, ordinal: int, passages: int) -> int:
    """Hash what translations of one passage share to 64 bits. Documents that were cut into another number of passages
    are not aligned: their n-th passages need not say the same."""
    text = f"{parallel}\0{ordinal}\0{passages}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


@dataclass
class Counts:
    """Collects the passages of the shards, in order. Holds 4 bytes a passage, 140 for one that has translations; and, at the
    end, 170 and 460 (measured)."""

    languages: dict[str, int] = field(default_factory=dict)
    shards: list[npt.NDArray[np.int16]] = field(default_factory=list)
    """[n, 2] per shard: language, code."""
    keys: list[tuple[int, int]] = field(default_factory=list)
    rows: int = 0

    def add(self, passages: Sequence[Mapping[str, Any]]) -> None:
        """Add the passages in the running of one shard: language, syntax, parallel, ordinal, passages of each."""
        kinds = np.zeros((len(passages), 2), np.int16)
        for at, row in enumerate(passages):
            kinds[at] = self.languages.setdefault(row["language"], len(self.languages)), bool(row["syntax"])
            if row["parallel"]:
                self.keys.append((key(row["parallel"], row["ordinal"], row["passages"]), self.rows + at))
        self.shards.append(kinds)
        self.rows += len(passages)

    def result(self) -> tuple[Census, npt.NDArray[np.int32], npt.NDArray[Any]]:
        """Return the census, the group of each passage (int32 [n]), and the passages that have translations."""
        kinds = np.concatenate([np.zeros((0, 2), np.int16), *self.shards])
        pairs = np.array(sorted(self.keys), PARALLEL)
        others = self._others(pairs, kinds)
        names = list(self.languages)
        groups = [
            Group(names[language], bool(code), others.get(at, ())) for at, (language, code) in enumerate(kinds.tolist())
        ]
        # In the order of names: an added shard must not renumber the groups of those that are there.
        order = sorted(set(groups))
        place = {group: at for at, group in enumerate(order)}
        found = np.array([place[group] for group in groups], np.int32)
        counts = np.zeros((len(self.shards), len(order)), np.int64)
        at = 0
        for shard, part in enumerate(self.shards):
            counts[shard] = np.bincount(found[at : at + len(part)], minlength=len(order))
            at += len(part)
        return Census(order, counts), found, pairs

    def joined(self, clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Join the clusters (int64 [n], each the number of its first row) of passages that are translations."""
        into: dict[int, int] = {}

        def first(cluster: int) -> int:
            while cluster in into:
                cluster = into[cluster]
            return cluster

        for members in _runs(np.array(sorted(self.keys), PARALLEL)):
            roots = sorted({first(int(clusters[row])) for row in members})
            into |= dict.fromkeys(roots[1:], roots[0])
        found = clusters.copy()
        for row in np.flatnonzero(np.isin(clusters, list(into))):
            found[row] = first(int(clusters[row]))
        return found

    def write(self, folder: Path) -> None:
        """Write the files of the census into the index's folder."""
        census, found, pairs = self.result()
        (folder / "groups.json").write_text(json.dumps(census.groups, ensure_ascii=False) + "\n", encoding="utf-8")
        np.save(folder / "groups.npy", found)
        np.save(folder / "census.npy", census.passages)
        np.save(folder / "parallel.npy", pairs)

    def _others(self, pairs: npt.NDArray[Any], kinds: npt.NDArray[np.int16]) -> dict[int, tuple[str, ...]]:
        """Return, per passage that has translations, the languages of these."""
        names = list(self.languages)
        found = {}
        for members in _runs(pairs):
            spoken = {int(row): names[kinds[row, 0]] for row in members}
            for row, own in spoken.items():
                found[row] = tuple(sorted({*spoken.values()} - {own}))
        return found


def _runs(pairs: npt.NDArray[Any]) -> Iterable[npt.NDArray[np.int64]]:
    """Yield the rows of each key."""
    cuts = np.flatnonzero(pairs["key"][1:] != pairs["key"][:-1]) + 1
    return np.split(pairs["row"], cuts) if len(pairs) else []


def read(folder: Path) -> Census:
    """Read the census out of the index's folder."""
    raw = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    groups = [Group(language, code, tuple(parallel)) for language, code, parallel in raw]
    return Census(groups, np.load(folder / "census.npy"))
