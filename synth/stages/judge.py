"""judge: what the reranker's scores say: rows whose positive does not answer, and candidates that do, are taken out."""

from functools import partial
from typing import Any

import pyarrow as pa

from synth.config import Config, Judge
from synth.schemas import OK, RERANKED, annotate
from synth.stage import Map, Stage


def stage(config: Config, after: Stage) -> Map:
    return Map(
        name="judge",
        does="take out what the reranker contradicts",
        after=(after,),
        writes=RERANKED,
        settings=config.judge.model_dump(mode="json", exclude={"candidates"}),
        fn=partial(judge, settings=config.judge),
    )


def judge(rows: pa.Table, resource: Any, *, settings: Judge) -> pa.Table:
    """Reject rows of schema RERANKED whose positive scores below `min_positive`, as `not_relevant`; take out of
    `candidates` those that reach `max_negative`, or `max_negative_ratio` of the positive's score.

    Candidates without a score (those that `negatives.skip` leaves out) stay, so that the same ones are skipped afterwards.
    """
    ok = [status == OK for status in rows.column("status").to_pylist()]
    positives = rows.column("positive_rerank").to_pylist()
    candidates, reranks = [], []
    for positive, row, scores in zip(
        positives, rows.column("candidates").to_pylist(), rows.column("candidate_reranks").to_pylist(), strict=True
    ):
        kept = [score is None or not _answers(score, positive, settings) for score in scores]
        candidates.append([one for one, stays in zip(row, kept, strict=True) if stays])
        reranks.append([score for score, stays in zip(scores, kept, strict=True) if stays])
    for name, values in (("candidates", candidates), ("candidate_reranks", reranks)):
        field = RERANKED.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))
    least = settings.min_positive
    return annotate(
        rows,
        (
            f"not_relevant: {score:.2f}"
            if is_ok and score is not None and least is not None and score < least
            else None
            for is_ok, score in zip(ok, positives, strict=True)
        ),
    )


def _answers(score: float, positive: float, settings: Judge) -> bool:
    """Say whether a candidate is too relevant to be a negative."""
    most, ratio = settings.max_negative, settings.max_negative_ratio
    return (most is not None and score >= most) or (ratio is not None and score >= ratio * positive)
