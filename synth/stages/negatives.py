"""negatives: for each query, those written for its row, and passages that are near it and do not answer it."""

import contextlib
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synth import index, plugins
from synth.config import Config, Negatives
from synth.index import PassageIndex
from synth.nearest import positions
from synth.schemas import MINED, NEGATIVES, OK, annotate
from synth.stage import Map, Stage, Workspace


def stage(config: Config, after: Stage, passages: Stage) -> Map:
    """`passages` is the index."""
    shapes = {name: plugins.load("tasks", name).SHAPE for name in config.tasks}
    mining = frozenset(name for name, shape in shapes.items() if shape.positive == "passage")
    return Map(
        name="negatives",
        does="find hard negatives",
        after=(after, passages),
        writes=MINED,
        settings={**config.negatives.model_dump(mode="json"), "mining": sorted(mining)},
        version=3,
        open=partial(_open, passages=passages),
        fn=partial(mine, settings=config.negatives, mining=mining),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, passages: Stage) -> Iterator[PassageIndex]:
    with index.opened(workspace.of(passages)) as opened:
        yield opened


def mine(rows: pa.Table, passages: PassageIndex, *, settings: Negatives, mining: frozenset[str]) -> pa.Table:
    """Give pairs (schemas.CLUSTERED) their negatives (schemas.MINED): those written for the row, then mined ones, hardest
    first, from their `candidates`.

    A row of a task of `mining` with fewer than `minimum` (or than `per_query`, if that is less) is rejected as
    `too_few_negatives`, and one of another task with none, unless none is asked for. Rows that are not ok get none.
    """
    ok = np.array([status == OK for status in rows.column("status").to_pylist()], bool)
    candidates = rows.column("candidates").combine_chunks()
    query = np.repeat(np.arange(len(ok)), candidates.value_lengths().to_numpy(zero_copy_only=False))
    row, score = (field.to_numpy(zero_copy_only=False) for field in candidates.flatten().flatten())
    chosen = choose(rows, passages, ok, query, row, score, settings)
    query, row, score = query[chosen], row[chosen], score[chosen]
    ends = np.cumsum(np.bincount(query, minlength=len(ok))).tolist()
    mined = (passages.texts(row), passages.take("id", row).tolist(), score.tolist())

    found: list[tuple[list[str], list[str], list[float], list[str], list[float | None]]] = []
    written = (rows.column(f"written_{name}").to_pylist() for name in ("negatives", "scores", "similarities"))
    for is_ok, start, end, texts, scores, grades in zip(ok, [0, *ends], ends, *written, strict=False):
        own, number = (len(texts) if is_ok else 0), end - start
        found.append(
            (
                texts[:own] + mined[0][start:end],
                [""] * own + mined[1][start:end],
                scores[:own] + mined[2][start:end],
                ["written"] * own + ["mined"] * number,
                [*(grades[:own] or [None] * own), *[None] * number],
            )
        )
    for name, values in zip(NEGATIVES, zip(*found, strict=True) if found else [()] * len(NEGATIVES), strict=True):
        rows = rows.append_column(MINED.field(name), pa.array(values, MINED.field(name).type))
    least = min(settings.minimum, settings.per_query)
    enough = [least if task in mining else min(1, least) for task in rows.column("task").to_pylist()]
    numbers = [len(texts) for texts, *_ in found]
    return annotate(
        rows.select(MINED.names),
        (f"too_few_negatives: {n}" if n < wanted else None for n, wanted in zip(numbers, enough, strict=True)),
    )


def choose(
    rows: pa.Table,
    passages: PassageIndex,
    ok: npt.NDArray[np.bool_],
    query: npt.NDArray[np.int64],
    row: npt.NDArray[np.int64],
    score: npt.NDArray[np.float32],
    settings: Negatives,
) -> npt.NDArray[np.int64]:
    """Return which of the candidates, given flat and best first per query, become negatives: int64 [chosen], sorted.

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
    place = positions(query[left])
    return left[(place >= settings.skip) & (place < settings.skip + settings.per_query)]
