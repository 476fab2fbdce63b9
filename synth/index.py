"""The passages as a corpus to search: texts and vectors on disk, opened by memory map.

    passages.arrow   Arrow IPC file (schema INDEX): id, document, text and language of the passages in the running
    vectors.npy      float16 [n, d], unit length, row by row the same passages
    clusters.npy     int64 [n]: the first row that is a near-copy or a translation of the row, or the row itself
    and the files of `census`: which kinds of passages there are, and which are translations of each other

A query must not count a near-copy of its positive as a rival, nor get it as a negative: so `cluster` is known here. A
translation of the positive answers the query as well: where the corpus says what is translated, it is of the same cluster, and
what stands as document is what the versions of a document share.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib import format as npy

from synth import census
from synth.errors import StoreError, VerifyError
from synth.minhash import NearCopies
from synth.nearest import Nearest, positions
from synth.schemas import OK, PASSAGES

INDEX = pa.schema([PASSAGES.field(name) for name in ("id", "document_id", "text", "language")])
COLUMNS = (*INDEX.names, "syntax", "parallel", "ordinal", "passages", "status", "embedding")
"""What `write` reads."""

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_PASSAGE_BLOCK, _QUERY_BLOCK = 16_384, 512
"""Block of the score matrix: 34 MB of float32, and some 60 MB with the comparisons on it. Wide rather than high, since
neighbours are merged once per block."""
_ROUNDING = 1e-6
"""Scores this near are the same: the rounding error of a float32 product of unit vectors stays below it up to some
4,096 dimensions, and would else put an equal passage above the positive, depending on the shape of the matrix."""


@dataclass(frozen=True)
class Hits:
    """What a search found, per query."""

    rank: npt.NDArray[np.int32]
    """[n]: 1 + number of passages outside the positive's cluster that score above the positive."""
    cosine: Floats
    """[n]: of query and positive."""
    rows: Rows
    """[n, top]: best passages outside the positive's cluster, best first, equal ones by row; -1 where none is left."""
    scores: Floats
    """[n, top]: their cosines; -inf where none is left."""


def vectors_of(column: pa.ChunkedArray) -> npt.NDArray[np.float16]:
    """Turn a list column of equal lengths, without nulls, into float16 [n, d]."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1) if len(column) else np.zeros((0, 0), np.float16)


def write(shards: Iterable[pa.Table], folder: Path, *, threshold: float, ngram: int) -> tuple[int, int]:
    """Write the index of the ok rows of `shards` (columns COLUMNS); return the numbers of passages and of near-copies.

    Texts and vectors stream through; what is held is NearCopies' 580 bytes a passage, and `census.Counts`.
    """
    near, passages, dimensions = NearCopies(threshold, ngram), 0, 0
    counts = census.Counts()
    with (
        pa.OSFile(str(folder / "passages.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, INDEX) as texts,
        (folder / "vectors.npy").open("w+b") as vectors,
    ):
        _npy_header(vectors, 0, 0)
        for shard in shards:
            kept = shard.filter(pc.equal(shard.column("status"), OK))
            counts.add(kept.select(census.COLUMNS).to_pylist())
            if not kept.num_rows:
                continue
            block = vectors_of(kept.column("embedding"))
            dimensions = dimensions or block.shape[1]
            if block.shape[1] != dimensions:
                raise VerifyError(
                    f"passages have vectors of {dimensions} and of {block.shape[1]} dimensions",
                    fix="delete the folder of the stage `personas` and run again",
                )
            vectors.write(block.tobytes())
            texts.write_table(_documents(kept).select(INDEX.names).cast(INDEX).combine_chunks())
            near.add(kept.column("text").to_pylist())
            passages += kept.num_rows
        vectors.seek(0)
        _npy_header(vectors, passages, dimensions)
    clusters = counts.joined(near.labels())
    np.save(folder / "clusters.npy", clusters)
    counts.write(folder)
    return passages, int((clusters != np.arange(passages)).sum())


def document_of(rows: pa.Table) -> pa.Array:
    """Return what tells documents apart: what the translations of one share, else its id."""
    parallel = rows.column("parallel")
    return pc.if_else(pc.equal(parallel, ""), rows.column("document_id"), parallel)


def _documents(rows: pa.Table) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index("document_id"), PASSAGES.field("document_id"), document_of(rows))


def _npy_header(stream: Any, rows: int, dimensions: int) -> None:
    """Write a header, or write it over: numpy pads it, so that the length is the same for any number of rows."""
    npy.write_array_header_1_0(  # type: ignore[no-untyped-call]
        stream, {"descr": "<f2", "fortran_order": False, "shape": (rows, dimensions)}
    )


@contextlib.contextmanager
def opened(folder: Path) -> Iterator["PassageIndex"]:
    """Open the index in `folder`. Raises StoreError when a file is missing or damaged."""
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(pa.memory_map(str(folder / "passages.arrow")))
            clusters = np.load(folder / "clusters.npy")
            vectors = np.load(folder / "vectors.npy", mmap_mode="r" if len(clusters) else None)
            groups, parallel = (np.load(folder / f"{name}.npy") for name in ("groups", "parallel"))
            code = np.array([group.code for group in census.read(folder).groups], bool)
            index = PassageIndex(pa.ipc.open_file(source), vectors, clusters, groups, parallel, code)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise StoreError(
                f"{folder}: the index cannot be read: {error}",
                fix="delete the folder and run again: only that stage is redone",
            ) from error
        yield index


class PassageIndex:
    """An index that is open. Texts and vectors stay on disk, in the system's page cache as far as there is room.

    Held in memory, per passage: 20 bytes of id, 8 of its place in their order, 8 of its cluster, 4 of its group: 40 in
    all; and 16 for one that has translations.
    """

    def __init__(
        self,
        texts: Any,
        vectors: npt.NDArray[np.float16],
        clusters: Rows,
        groups: npt.NDArray[np.int32],
        parallel: npt.NDArray[Any],
        code: npt.NDArray[np.bool_],
    ) -> None:
        self._texts, self.vectors, self.clusters, self.groups = texts, vectors, clusters, groups
        self._parallel, self._code = parallel, code
        batches = (texts.get_batch(number).column("id") for number in range(texts.num_record_batches))
        ids = [np.array(batch.to_pylist(), "S20") for batch in batches] or [np.zeros(0, "S20")]
        self._starts = np.cumsum([0, *(len(batch) for batch in ids)])
        joined = np.concatenate(ids)
        self._order = np.argsort(joined, kind="stable")
        self._ids = joined[self._order]

    def __len__(self) -> int:
        return len(self.clusters)

    def rows_of(self, ids: Sequence[str]) -> Rows:
        """Return the row of each passage id, int64 [n]. Raises VerifyError for an id that is not in the index."""
        wanted = np.array(list(ids), "S20") if len(ids) else np.zeros(0, "S20")
        places = np.searchsorted(self._ids, wanted)
        known = places < len(self._ids)
        known[known] = self._ids[places[known]] == wanted[known]
        if not known.all():
            raise VerifyError(
                f"passage {wanted[~known][0].decode()!r} is not in the index of {len(self)} passages",
                fix="this is a bug in the stages before: please report it",
            )
        return self._order[places]

    def take(self, column: str, rows: Rows) -> npt.NDArray[np.object_]:
        """Return the strings of `column` (a name of INDEX) at `rows`, object [n]."""
        distinct, inverse = np.unique(rows, return_inverse=True)
        cuts = np.searchsorted(distinct, self._starts)
        found: list[str] = []
        for number in np.flatnonzero(np.diff(cuts)):
            local = distinct[cuts[number] : cuts[number + 1]] - self._starts[number]
            found += self._texts.get_batch(int(number)).column(column).take(pa.array(local)).to_pylist()
        return np.array(found, object)[inverse]

    def texts(self, rows: Rows) -> list[str]:
        return [str(text) for text in self.take("text", rows)]

    def is_code(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which of the passages are of source files, bool [n]."""
        return self._code[self.groups[rows]]

    def translation(self, key: int, language: str) -> str:
        """Return the passage of `key` (census.key) in `language`: of several, the first; empty when there is none."""
        start, end = np.searchsorted(self._parallel["key"], np.array([key, key + 1], np.uint64))
        rows = self._parallel["row"][start:end]
        rows = rows[self.take("language", rows) == language] if len(rows) else rows
        return self.texts(rows[:1])[0] if len(rows) else ""

    def search(self, queries: Floats, positives: Rows, top: int) -> Hits:
        """Rank each query's positive among all passages, and find the `top` nearest others.

        `queries` is float32 [n, d] of unit length, `positives` int64 [n] rows. Memory does not grow with passages.
        """
        blocks = range(0, len(queries), _QUERY_BLOCK)
        none = Nearest(0, top)
        found = [Hits(np.zeros(0, np.int32), np.zeros(0, np.float32), none.rows, none.scores)]
        found += [
            self._search(queries[at : at + _QUERY_BLOCK], positives[at : at + _QUERY_BLOCK], top) for at in blocks
        ]
        return Hits(*(np.concatenate([getattr(hits, name) for hits in found]) for name in Hits.__annotations__))

    def _search(self, queries: Floats, positives: Rows, top: int) -> Hits:
        cosine = np.einsum("nd,nd->n", queries, self.vectors[positives].astype(np.float32)).astype(np.float32)
        own, above = self.clusters[positives], cosine[:, None] + np.float32(_ROUNDING)
        rank, nearest = np.ones(len(queries), np.int32), Nearest(len(queries), top)
        for at in range(0, len(self), _PASSAGE_BLOCK):
            scores = queries @ self.vectors[at : at + _PASSAGE_BLOCK].astype(np.float32).T
            scores[_equal(own, self.clusters[at : at + _PASSAGE_BLOCK])] = -np.inf
            rank += (scores > above).sum(axis=1, dtype=np.int32)
            nearest.offer(scores, at)
        return Hits(rank, cosine, nearest.rows, nearest.scores)


def _equal(left: Rows, right: Rows) -> tuple[Rows, Rows]:
    """Return all pairs of places at which `left` and `right` are equal. They are few: no matrix is made."""
    order = np.argsort(right, kind="stable")
    start = np.searchsorted(right, left, "left", sorter=order)
    found = np.searchsorted(right, left, "right", sorter=order) - start
    place = np.repeat(np.arange(len(left)), found)
    return place, order[start[place] + positions(place)]
