"""`empty`, `too_short`, `too_long`: a query with no words, with too few, with far more than it was asked to have."""

import pyarrow as pa
from pydantic import Field

from synth.filters import TEXTS
from synth.settings import Strict
from synth.text import count_words

JUDGES = TEXTS


class Settings(Strict):
    min_words: int = Field(2, ge=1)
    """Fewer are `too_short`. Words are counted by white space; letters of Chinese, Japanese, Thai, Lao, Khmer and
    Burmese at 1.6 a word. XQuAD's shortest human question has 2 (Arabic) or 3 (English, German, Spanish) words."""
    max_words: int = Field(60, ge=1)
    """More are `too_long`, unless more were asked for: then half as many again. XQuAD's longest question has 38."""
    asked_times: float = Field(3, ge=1)
    """More than `asked_times` x the words asked for + `asked_plus` are `too_long`."""
    asked_plus: int = Field(6, ge=0)
    """Words on top: few were asked for, a few more do no harm."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    pairs = zip(rows.column("query").to_pylist(), rows.column("words").to_pylist(), strict=True)
    return [_verdict(query, asked, settings) for query, asked in pairs]


def _verdict(query: str, asked: int, settings: Settings) -> str | None:
    found = count_words(query)
    if not found:
        return "empty"
    if found < settings.min_words:
        return f"too_short: {found} of at least {settings.min_words} words"
    limit = settings.max_words
    if asked > 0:  # 0: the task asked for no length
        limit = min(max(limit, int(1.5 * asked)), int(settings.asked_times * asked + settings.asked_plus))
    return f"too_long: {found} of at most {limit} words" if found > limit else None
