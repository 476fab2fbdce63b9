"""`repeats_query`, `repeats_positive`: texts of a row that should differ, and are the same but for case and punctuation.

A translation that was left in its language, a paraphrase that changes nothing or only leaves something out, an altered
sentence that is the original: as a positive such a text teaches nothing, as a negative it teaches the wrong thing.
"""

import pyarrow as pa

from synth.filters import ROWS
from synth.settings import Strict
from synth.text import words

JUDGES = ROWS


class Settings(Strict):
    """None: texts differ, or they do not."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    columns = (rows.column(name).to_pylist() for name in ("query", "positive", "written_negatives", "written"))
    return [_verdict(*row) for row in zip(*columns, strict=True)]


def _verdict(query: str, positive: str, negatives: list[str], written: list[str]) -> str | None:
    asked, answer = words(query), words(positive)
    if asked == answer or ("positive" in written and _is_part(answer, asked)):
        return f"repeats_query: {positive}"
    for negative in negatives:
        if (found := words(negative)) in (asked, answer):
            return f"repeats_{'query' if found == asked else 'positive'}: {negative}"
    return None


def _is_part(part: list[str], whole: list[str]) -> bool:
    """Whether the words of `part` stand in `whole`, one after the other."""
    return bool(part) and any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))
