"""`not_<type>`: a query of another type than was asked for, where its first words tell."""

import re

import pyarrow as pa
from pydantic import Field

from synth.filters import QUESTIONS
from synth.filters._questions import GRAMMARS, Kind, has_question_mark, is_narrow, kind, offers_choice
from synth.settings import Strict
from synth.text import count_words

JUDGES = QUESTIONS


class Settings(Strict):
    max_keywords: int = Field(12, ge=1)
    """More words, or more than were asked for, are no `keywords`."""


_NOT: dict[str, set[Kind]] = {
    "keywords": {"yes_no", "open", "unclear", "sentence"},
    "yes_or_no": {"open", "request", "sentence", "phrase"},
    "acquire_knowledge": {"sentence", "phrase"},
    "summary": {"yes_no", "sentence"},
    "background": {"yes_no", "sentence", "phrase"},
}
"""What a query of each type cannot be. Types that are not listed are not judged."""


_NAME = re.compile(r"(?:Will|May|Might|Must|Can) (?:[A-Z]|\d)")
"""Will Smith and May 1968 are keywords, and begin like questions."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    columns = (rows.column(name).to_pylist() for name in ("query", "type", "query_language", "words"))
    return [
        f"not_{wanted}: {seen}" if (seen := _other(query, wanted, language, asked, settings)) else None
        for query, wanted, language, asked in zip(*columns, strict=True)
    ]


def _other(query: str, wanted: str, language: str, asked: int, settings: Settings) -> str | None:
    """Return what the query is instead of `wanted`; null when it may be just that."""
    if wanted == "keywords":
        if has_question_mark(query):
            return "a question"
        if (found := count_words(query)) > max(settings.max_keywords, asked):
            return f"{found} words"
        if _NAME.match(query):
            return None
    seen = kind(query, language)
    if seen in _NOT.get(wanted, ()):
        return _SAID[seen]  # type: ignore[index]  # null is in no set
    if wanted == "yes_or_no" and (
        offers_choice(query, language) or (seen == "unclear" and GRAMMARS[language].all_yes_no)
    ):
        return "not answered by yes or no"
    if wanted == "summary" and is_narrow(query, language):
        return "asks for one fact"
    return None


_SAID: dict[Kind, str] = {
    "yes_no": "a yes/no question",
    "open": "an open question",
    "unclear": "a question",
    "request": "a request",
    "sentence": "a statement",
    "phrase": "not a question",
}
