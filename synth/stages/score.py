"""score: how near a query is to its positive, to the negatives written for it, and which passages are nearer.

No threshold is known here: changing one must not compute a vector again.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synth import encoders, index, plugins, vectors
from synth.config import Config
from synth.encoders import Encoder
from synth.index import PassageIndex
from synth.schemas import OK, SCORED
from synth.stage import Map, Stage, Workspace
from synth.tasks import Shape

_CANDIDATES = SCORED.field("candidates")


@dataclass(frozen=True)
class Scorer:
    """The open resource."""

    encoder: Encoder
    passages: PassageIndex


def stage(config: Config, after: Stage, passages: Stage) -> Map:
    """`passages` is the index."""
    shapes = {name: plugins.load("tasks", name).SHAPE for name in config.tasks}
    return Map(
        name="score",
        does="compare each query with its passage, and with all others",
        after=(after, passages),
        writes=SCORED,
        settings={
            "embedder": encoders.identity(config.embedder),
            "candidates": config.score.candidates,
            "ranked": sorted(name for name, shape in shapes.items() if shape.positive == "passage"),
            "symmetric": sorted(name for name, shape in shapes.items() if shape.symmetric),
        },
        version=2,
        open=partial(_open, config=config, passages=passages),
        gpus=config.embedder.gpus,
        fn=partial(score, candidates=config.score.candidates, shapes=shapes),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, config: Config, passages: Stage) -> Iterator[Scorer]:
    with index.opened(workspace.of(passages)) as opened, vectors.opened(config.embedder, workspace) as encoder:
        yield Scorer(encoder, opened)


def score(rows: pa.Table, scorer: Scorer, *, candidates: int, shapes: Mapping[str, Shape]) -> pa.Table:
    """Give pairs (schemas.PAIRS) their `cosine`, `written_scores`, `rank` and `candidates` (schemas.SCORED).

    Where the positive is the passage, its vector is the index's, and it is ranked among all. Other positives, and the
    negatives written for a row, are embedded here. Rows that are not ok get null, and no candidates.
    """
    ok = np.array([status == OK for status in rows.column("status").to_pylist()], bool)
    tasks = rows.column("task").to_pylist()
    ranked = ok & np.array([shapes[task].positive == "passage" for task in tasks], bool)
    queries = scorer.encoder.queries(rows.filter(pa.array(ok)).column("query").to_pylist())

    cosine, rank = np.zeros(len(ok), np.float32), np.zeros(len(ok), np.int32)
    positives = scorer.passages.rows_of(rows.filter(pa.array(ranked)).column("passage_id").to_pylist())
    hits = scorer.passages.search(queries[ranked[ok]], positives, candidates)
    cosine[ranked], rank[ranked] = hits.cosine, hits.rank
    found = hits.rows >= 0
    each = np.zeros(len(ok), np.int64)
    each[ranked] = found.sum(axis=1)
    kind = _CANDIDATES.type
    items = pa.StructArray.from_arrays(
        [pa.array(hits.rows[found]), pa.array(hits.scores[found])], fields=list(kind.value_type)
    )

    symmetric = np.array([shapes[task].symmetric for task in tasks], bool)
    place = np.cumsum(ok) - 1  # of a row's query among the vectors
    unranked = np.flatnonzero(ok & ~ranked)
    cosine[unranked] = _cosines(
        scorer.encoder,
        queries[place[unranked]],
        [rows.column("positive")[at].as_py() for at in unranked.tolist()],
        symmetric[unranked],
    )
    negatives = [
        texts if is_ok else [] for texts, is_ok in zip(rows.column("written_negatives").to_pylist(), ok, strict=True)
    ]
    number = np.array([len(texts) for texts in negatives], np.int64)
    of = np.repeat(np.arange(len(ok)), number)
    written = _cosines(
        scorer.encoder, queries[place[of]], [text for texts in negatives for text in texts], symmetric[of]
    )

    columns = {
        "cosine": pa.array(cosine, mask=~ok),
        "written_scores": _lists(number, pa.array(written), SCORED.field("written_scores").type),
        "rank": pa.array(rank, mask=~ranked),
        "candidates": _lists(each, items, kind),
    }
    for name, column in columns.items():
        rows = rows.append_column(SCORED.field(name), column)
    return rows


def _cosines(
    encoder: Encoder, queries: npt.NDArray[np.float32], texts: list[str], symmetric: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Return the cosine of each query (float32 [n, d]) with its text: float32 [n]."""
    found = np.zeros(len(texts), np.float32)
    for as_queries, embed in ((True, encoder.queries), (False, encoder.documents)):
        at = np.flatnonzero(symmetric == as_queries)
        if len(at):
            found[at] = np.einsum("nd,nd->n", queries[at], embed([texts[i] for i in at.tolist()]))
    return found


def _lists(number: npt.NDArray[np.int64], items: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.r_[0, np.cumsum(number)].astype(np.int32)), items, type=kind)
