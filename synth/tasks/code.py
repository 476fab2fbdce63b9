"""Code search: a function, and what a developer would type to find it.

One step: personas are readers of prose, and who asks shows in the type and difficulty, which the plan draws.
"""

import random
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from synth import languages
from synth.controls import Controls
from synth.settings import Strict
from synth.tasks import Ask, Pair, Row, Shape, Step

SHAPE = Shape(reads="code", positive="passage")

INSTRUCTIONS = (
    "Given a question about programming, retrieve code that answers it",
    "Find the function that does what the developer describes",
    "Retrieve source code that solves the stated problem",
    "Given a description of what code should do, find its implementation",
    "Search a code base for the function that the query is about",
)


class Settings(Controls):
    """The code task."""

    TASK: ClassVar[str] = "code"

    rows_per_passage: float = Field(2, ge=0, le=100_000)
    """Queries to write for each function, so the weight of the task among others."""
    choose: int | None = Field(1, ge=1, le=1)
    """Type and difficulty are drawn: the model chooses neither."""
    query_languages: dict[str, float] = Field({"en": 1})
    """Languages to write in, with weights. Code itself is in none."""
    naming: float = Field(0.3, ge=0, le=1)
    """Share of queries that name the programming language. Left alone, models nearly always do, or never."""


def steps(settings: Settings) -> Mapping[str, Step]:
    code = {"passage", "title", "syntax"}
    wanted = {"named", "type", "difficulty", "clarity", "words", "length", "language"}
    return {"code/query": Step(frozenset({*code, *wanted}), frozenset({"query"}))}


async def write(row: Row, settings: Settings, ask: Ask) -> Pair:
    means = {
        control: settings.definitions(control, row["query_language"])
        for control in ("types", "difficulties", "clarities")
    }
    kind, difficulty = row["types"][0], next(iter(row["difficulties"]), "")
    answer = await ask(
        "code/query",
        Query,
        passage=row["passage"],
        title=row["title"],
        syntax=row["syntax"],
        named=row["syntax"] if random.Random(row["seed"]).random() < settings.naming else "",
        type=means["types"][kind],
        difficulty=means["difficulties"].get(difficulty, ""),
        clarity=means["clarities"].get(row["clarity"], ""),
        words=row["words"],
        length=row["length"],
        language=languages.name(row["query_language"]),
    )
    return Pair(query=answer.query.strip(), positive=row["passage"], type=kind, difficulty=difficulty)


class Query(Strict):
    query: str
