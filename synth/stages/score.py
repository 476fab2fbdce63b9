"""score: how near a query is to its positive, and which passages are nearer.

No threshold is known here: changing one must not compute a vector again.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from synth import encoders, index
from synth.config import Config
from synth.encoders import Encoder
from synth.index import PassageIndex
from synth.schemas import OK, SCORED
from synth.stage import Map, Stage, Workspace

_CANDIDATES = SCORED.field("candidates")


@dataclass(frozen=True)
class Scorer:
    """The open resource."""

    encoder: Encoder
    passages: PassageIndex


def stage(config: Config, after: Stage, passages: Stage) -> Map:
    """`passages` is the index."""
    return Map(
        name="score",
        does="compare each query with its passage, and with all others",
        after=(after, passages),
        writes=SCORED,
        settings={"embedder": encoders.identity(config.embedder), "candidates": config.score.candidates},
        open=partial(_open, config=config, passages=passages),
        fn=partial(score, candidates=config.score.candidates),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, config: Config, passages: Stage) -> Iterator[Scorer]:
    with index.opened(workspace.of(passages)) as opened, encoders.opened(config.embedder) as encoder:
        yield Scorer(encoder, opened)


def score(rows: pa.Table, scorer: Scorer, *, candidates: int) -> pa.Table:
    """Give pairs (schemas.PAIRS) their `cosine`, `rank` and `candidates` (schemas.SCORED).

    The positive is the passage itself: its vector is the index's. Rows that are not ok get null, null and no candidates.
    """
    ok = np.array([status == OK for status in rows.column("status").to_pylist()], bool)
    used = rows.filter(pa.array(ok)).select(["query", "passage_id"])
    queries = scorer.encoder.queries(used.column("query").to_pylist())
    hits = scorer.passages.search(queries, scorer.passages.rows_of(used.column("passage_id").to_pylist()), candidates)
    cosine, rank = np.zeros(len(ok), np.float32), np.zeros(len(ok), np.int32)
    cosine[ok], rank[ok] = hits.cosine, hits.rank
    found = hits.rows >= 0
    each = np.zeros(len(ok), np.int64)
    each[ok] = found.sum(axis=1)
    kind = _CANDIDATES.type
    items = pa.StructArray.from_arrays(
        [pa.array(hits.rows[found]), pa.array(hits.scores[found])], fields=list(kind.value_type)
    )
    offsets = pa.array(np.r_[0, np.cumsum(each)].astype(np.int32))
    columns = (
        pa.array(cosine, mask=~ok),
        pa.array(rank, mask=~ok),
        pa.ListArray.from_arrays(offsets, items, type=kind),
    )
    for name, column in zip(("cosine", "rank", "candidates"), columns, strict=True):
        rows = rows.append_column(SCORED.field(name), column)
    return rows
