"""rerank: how relevant the reranker finds the positive, and the passages that would be mined as negatives.

No threshold is known here: `judge` has them, so that changing one asks the reranker nothing.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from synth import index, mining, plugins, rerankers, vectors
from synth.config import Config, Negatives
from synth.index import PassageIndex
from synth.rerankers import Reranker
from synth.schemas import OK, RERANKED
from synth.settings import KindSettings
from synth.stage import Map, Stage, Workspace

_CANDIDATES, _RERANKS = RERANKED.field("candidates"), RERANKED.field("candidate_reranks")


@dataclass(frozen=True)
class Judge:
    """The open resource."""

    reranker: Reranker
    passages: PassageIndex


def stage(config: Config, settings: KindSettings, after: Stage, passages: Stage) -> Map:
    """`settings` are the reranker's; `passages` is the index."""
    shapes = {name: plugins.load("tasks", name).SHAPE for name in config.tasks}
    ranked = frozenset(name for name, shape in shapes.items() if shape.positive == "passage")
    rule = config.negatives
    return Map(
        name="rerank",
        does="let the reranker read pairs and would-be negatives",
        after=(after, passages),
        writes=RERANKED,
        settings={
            "reranker": rerankers.identity(settings),
            "candidates": config.judge.candidates,
            "negatives": rule.model_dump(mode="json", exclude={"per_query", "minimum"}),
            "ranked": sorted(ranked),
        },
        open=partial(_open, settings=settings, passages=passages),
        gpus=settings.gpus,
        fn=partial(rerank, candidates=config.judge.candidates, rule=rule, ranked=ranked),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, settings: KindSettings, passages: Stage) -> Iterator[Judge]:
    with (
        index.opened(workspace.of(passages)) as opened,
        vectors.opened_reranker(settings, workspace) as reranker,
    ):
        yield Judge(reranker, opened)


def rerank(rows: pa.Table, judge: Judge, *, candidates: int, rule: Negatives, ranked: frozenset[str]) -> pa.Table:
    """Give pairs (schemas.CLUSTERED) their `positive_rerank` and `candidate_reranks` (schemas.RERANKED).

    Of each row of a task of `ranked` are judged the positive and the first `candidates` that `rule` lets be negatives,
    after the `skip` hardest. `candidates` is cut to those two kinds, the skipped with null. All other rows get null.
    """
    ok = np.array([status == OK for status in rows.column("status").to_pylist()], bool)
    judged = ok & np.array([task in ranked for task in rows.column("task").to_pylist()], bool)
    query, row, score = mining.flat(rows)
    chosen, place = mining.choose(rows, judge.passages, ok, query, row, score, rule)
    near = place < rule.skip + candidates
    chosen, place = chosen[near], place[near]
    query, row, score = query[chosen], row[chosen], score[chosen]
    read = place >= rule.skip

    queries, positives = rows.column("query").to_pylist(), rows.column("positive").to_pylist()
    of = np.flatnonzero(judged).tolist()
    pairs = [(queries[at], positives[at]) for at in of]
    texts = judge.passages.texts(row[read])
    pairs += [(queries[at], text) for at, text in zip(query[read].tolist(), texts, strict=True)]
    found = judge.reranker.scores(pairs)

    positive = np.zeros(len(ok), np.float32)
    positive[of] = found[: len(of)]
    reranks = np.zeros(len(row), np.float32)
    reranks[read] = found[len(of) :]
    offsets = pa.array(np.r_[0, np.cumsum(np.bincount(query, minlength=len(ok)))].astype(np.int32))
    items = pa.StructArray.from_arrays([pa.array(row), pa.array(score)], fields=list(_CANDIDATES.type.value_type))
    kept = pa.ListArray.from_arrays(offsets, items, type=_CANDIDATES.type)
    rows = rows.set_column(rows.schema.get_field_index("candidates"), _CANDIDATES, kept)
    rows = rows.append_column(RERANKED.field("positive_rerank"), pa.array(positive, mask=~judged))
    return rows.append_column(
        _RERANKS, pa.ListArray.from_arrays(offsets, pa.array(reranks, mask=~read), type=_RERANKS.type)
    )
