"""negatives: for each query, those written for its row, and passages that are near it and do not answer it."""

import contextlib
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth import index, plugins
from synth.config import Config, Negatives
from synth.index import PassageIndex
from synth.mining import choose, flat
from synth.schemas import MINED, NEGATIVES, OK, RERANKED, annotate
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
        version=4,
        open=partial(_open, passages=passages),
        fn=partial(mine, settings=config.negatives, mining=mining),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, passages: Stage) -> Iterator[PassageIndex]:
    with index.opened(workspace.of(passages)) as opened:
        yield opened


def mine(rows: pa.Table, passages: PassageIndex, *, settings: Negatives, mining: frozenset[str]) -> pa.Table:
    """Give pairs (schemas.CLUSTERED, or RERANKED) their negatives (schemas.MINED): those written for the row,
    then mined ones, hardest first, from their `candidates`.

    A row of a task of `mining` with fewer than `minimum` (or than `per_query`, if that is less) is rejected as
    `too_few_negatives`, and one of another task with none, unless none is asked for. Rows that are not ok get none.
    """
    ok = np.array([status == OK for status in rows.column("status").to_pylist()], bool)
    rows = _with_reranks(rows)
    query, row, score = flat(rows)
    rerank = rows.column("candidate_reranks").combine_chunks().flatten()
    chosen, place = choose(rows, passages, ok, query, row, score, settings)
    chosen = chosen[(place >= settings.skip) & (place < settings.skip + settings.per_query)]
    query, row, score, rerank = query[chosen], row[chosen], score[chosen], rerank.take(pa.array(chosen))
    ends = np.cumsum(np.bincount(query, minlength=len(ok))).tolist()
    mined = (passages.texts(row), passages.take("id", row).tolist(), score.tolist(), rerank.to_pylist())

    found: list[tuple[list[str], list[str], list[float], list[str], list[float | None], list[float | None]]] = []
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
                [*[None] * own, *mined[3][start:end]],
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


def _with_reranks(rows: pa.Table) -> pa.Table:
    """Return rows that no reranker has seen as rows of schema RERANKED, all scores null."""
    if "candidate_reranks" in rows.column_names:
        return rows
    nothing = [[None] * number for number in pc.list_value_length(rows.column("candidates")).to_pylist()]
    for name, values in (("positive_rerank", [None] * len(rows)), ("candidate_reranks", nothing)):
        rows = rows.append_column(RERANKED.field(name), pa.array(values, RERANKED.field(name).type))
    return rows
