"""`repeats_query`, `repeats_positive`: texts of a row that should differ, and are the same but for case and punctuation.

A translation that was left in its language, a paraphrase that changes nothing, an altered sentence that is the original:
as a positive such a text teaches nothing, as a negative it teaches the wrong thing.
"""

import pyarrow as pa

from synth.filters import ROWS
from synth.settings import Strict
from synth.text import words

JUDGES = ROWS


class Settings(Strict):
    """None."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    columns = (rows.column(name).to_pylist() for name in ("query", "positive", "written_negatives"))
    return [_verdict(query, positive, negatives) for query, positive, negatives in zip(*columns, strict=True)]


def _verdict(query: str, positive: str, negatives: list[str]) -> str | None:
    asked, answer = words(query), words(positive)
    if asked == answer:
        return f"repeats_query: {positive}"
    for negative in negatives:
        if (found := words(negative)) in (asked, answer):
            return f"repeats_{'query' if found == asked else 'positive'}: {negative}"
    return None
