"""What formats with a query, a positive and a list of negatives share. No format."""

import math

from synth.exports import Row

_LEAST = 1e-6
"""Relevances nearer to 0 or 1 than this are taken as this: +-13.8 as logits."""


def logit(relevance: float) -> float:
    """Turn a relevance of 0 to 1 into a logit. Trainers take the softmax of teacher scores: that of relevances is flat."""
    bounded = min(max(relevance, _LEAST), 1 - _LEAST)
    return round(math.log(bounded / (1 - bounded)), 4)


def teacher(row: Row) -> dict[str, list[float]] | None:
    """Return the scores of positive and negatives, or null when the reranker was not asked of all."""
    positive, negatives = row["positive_rerank"], row["negative_reranks"]
    if positive is None or any(score is None for score in negatives) or len(negatives) != len(row["negatives"]):
        return None
    return {"pos_scores": [logit(positive)], "neg_scores": [logit(score) for score in negatives]}
