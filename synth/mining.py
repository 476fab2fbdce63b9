"""Which passages may be negatives of a row: the one rule for what is mined and for what a reranker looks at before."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synth import index
from synth.config import Negatives
from synth.index import PassageIndex
from synth.nearest import positions

Ints = npt.NDArray[np.int64]


def flat(rows: pa.Table) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    """Return the candidates of rows, flat: the place of the row in `rows`, the row in the index, the cosine; [n] each."""
    candidates = rows.column("candidates").combine_chunks()
    query = np.repeat(np.arange(len(rows)), candidates.value_lengths().to_numpy(zero_copy_only=False))
    row, score = (field.to_numpy(zero_copy_only=False) for field in candidates.flatten().flatten())
    return query, row, score


def choose(
    rows: pa.Table,
    passages: PassageIndex,
    ok: npt.NDArray[np.bool_],
    query: Ints,
    row: Ints,
    score: npt.NDArray[np.float32],
    settings: Negatives,
) -> tuple[Ints, Ints]:
    """Return which of the candidates, given flat and best first per query, may be negatives: int64 [chosen], sorted, and
    the place of each among those of its query, from 0. `skip` and `per_query` are left to the caller.

    `query` is the place in `rows`, `row` the row in the index. The positive, its near-copies and passages of the same
    text share a cluster, and are out; of any other cluster only the first may serve. Prose is no hard negative of code.
    """
    cosine = np.nan_to_num(rows.column("cosine").to_numpy().astype(np.float32))
    positive = np.zeros(len(ok), np.int64)
    positive[ok] = passages.rows_of(rows.column("passage_id").filter(pa.array(ok)).to_pylist())
    cluster, own = passages.clusters[row], passages.clusters[positive[query]]
    alike = passages.is_code(row) == passages.is_code(positive[query])
    left = np.flatnonzero(ok[query] & (score < settings.max_positive_ratio * cosine[query]) & (cluster != own) & alike)
    if not settings.same_document:
        documents = np.array(index.document_of(rows).to_pylist(), object)
        left = left[passages.take("document_id", row[left]) != documents[query[left]]]
    order = np.lexsort((left, cluster[left], query[left]))
    together = np.stack([query[left][order], cluster[left][order]])
    first = np.r_[True, (together[:, 1:] != together[:, :-1]).any(axis=0)][: len(left)]
    left = np.sort(left[order[first]])
    return left, positions(query[left])
