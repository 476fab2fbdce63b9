"""What the reasons say, for a reader who has not written the rules."""

_MEANINGS = {
    "bad_task": "the classification task that was thought of cannot be used",
    "benchmark": "a text of a benchmark that is kept out is in it",
    "copied": "the query is lifted from its passage",
    "cut_off": "the answer reached the most tokens it may have",
    "deadline": "no answer came in time",
    "debris": "rests of markup, or a query that begins or ends in the middle",
    "duplicate": "a better row has nearly the same query",
    "empty": "the query has no words",
    "engine_died": "the engine died twice while it answered",
    "engine_error": "the engine gave up on the request",
    "injected": "the query obeys a document that speaks to the model",
    "low_cosine": "query and positive are less alike than the threshold asks for",
    "names_label": "the text names its own label",
    "not_first": "too many other passages are nearer to the query than its own",
    "not_nearer": "a negative written for the row is as near as the positive",
    "not_relevant": "the reranker finds that the positive does not answer the query",
    "over_target": "good, and beyond what its target asked for: left out, so that shares are as asked",
    "parrots_example": "the worked example of the prompt, given back",
    "prompt_too_long": "the prompt is longer than the model can read",
    "refers_to_passage": "the query speaks of the passage, which no searcher has before them",
    "refused": "the engine would not answer",
    "repeats_positive": "two texts of the row that should differ are the same",
    "repeats_query": "two texts of the row that should differ are the same",
    "repetitive": "a loop that the model could not leave",
    "template": "the prompt could not be rendered for this row",
    "too_few_negatives": "not enough passages are near the query and no answer to it",
    "too_long": "the query is far longer than it was asked to be",
    "too_short": "too few words",
    "ungrounded": "a number or name that the passage does not have",
    "unparsable": "the answer is not of the form that was asked for",
    "wrong_language": "the query is in another language than was asked for",
}


def meaning(reason: str) -> str:
    """Say what a reason means; nothing of one that a plug-in brought along."""
    if reason in _MEANINGS:
        return _MEANINGS[reason]
    if reason.startswith("not_"):
        return f"the query is not of type {reason.removeprefix('not_')}"
    return ""
