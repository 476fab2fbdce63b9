"""Retrieval: a passage, and a query that it answers, in the two steps of the Qwen3 Embedding paper (arXiv 2506.05176).

First the model is shown the passage and the personas nearest to it, and picks who asks, what type of question, and how
difficult. Then, playing that reader, it writes the query, of a given length and in a given language.
"""

import random
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, create_model

from synth import languages
from synth.controls import Controls
from synth.settings import Strict
from synth.tasks import Ask, Pair, Row, Shape, Step

SHAPE = Shape(reads="prose", positive="passage")

INSTRUCTIONS = (
    "Given a web search query, retrieve passages that answer the query",
    "Find the passage that answers this question",
    "Retrieve text that contains the information the user is searching for",
    "Given a question or keywords, find a document that a reader would be satisfied with",
)


class Settings(Controls):
    """The retrieval task."""

    TASK: ClassVar[str] = "retrieval"

    rows_per_passage: float = Field(2, ge=0, le=100_000)
    """Queries to write for each passage, so the weight of the task among others."""
    examples: Literal["english", "query_language"] = "english"
    """Language of the prompt's worked examples. In the query's own, a small model does not stray: of 162 queries that a
    135M model wrote in five languages, none was in a wrong one and 39 were accepted, against 73 and 13 with English ones
    (docs/prompts.md). But each language has a prefix of its own: a passage is computed once per language it is asked about
    in."""


def steps(settings: Settings) -> Mapping[str, Step]:
    common = {"passage", "title", "types", "difficulties", "language", "shown_in"}
    chosen = {"persona", "type", "difficulty", "words", "length", "clarity"}
    return {
        "retrieval/configure": Step(
            frozenset({*common, "personas"}), frozenset({"character", "question_type", "difficulty"})
        ),
        "retrieval/query": Step(frozenset({*common, *chosen}), frozenset({"query"})),
    }


async def write(row: Row, settings: Settings, ask: Ask) -> Pair:
    written_in = row["query_language"]
    # Models favour what is named first: another order per row makes that favour fall on each in turn.
    personas = random.Random(row["seed"]).sample(row["personas"], len(row["personas"]))
    letters = "ABCDEFGHIJ"[: len(personas)]
    types, difficulties = (settings.definitions(control, written_in) for control in ("types", "difficulties"))
    given: dict[str, Any] = {
        "passage": row["passage"],
        "title": row["title"],
        "types": {name: types[name] for name in row["types"]},
        "difficulties": {name: difficulties[name] for name in row["difficulties"]},
        "language": languages.name(written_in),
        "shown_in": "en" if settings.examples == "english" else written_in,
    }
    role = await ask(
        "retrieval/configure",
        role_of(letters, frozenset(row["types"]), frozenset(row["difficulties"])),
        personas=dict(zip(letters, personas, strict=True)),
        **given,
    )
    chosen = {
        "persona": personas[letters.index(role.character)],  # type: ignore[attr-defined]
        "type": role.question_type,  # type: ignore[attr-defined]
        "difficulty": role.difficulty,  # type: ignore[attr-defined]
    }
    clarity = settings.definitions("clarities", written_in).get(row["clarity"], "")
    answer = await ask(
        "retrieval/query", Query, **given, **chosen, words=row["words"], length=row["length"], clarity=clarity
    )
    return Pair(query=answer.query.strip(), positive=row["passage"], **chosen)


@cache
def role_of(letters: str, types: frozenset[str], difficulties: frozenset[str]) -> type[BaseModel]:
    """Return the answer model of the first step. Its schema depends on what is offered alone, not on the order: there
    are few, and each grammar is compiled once (enumerations take 1–2 ms)."""
    options = {"character": letters, "question_type": sorted(types), "difficulty": sorted(difficulties)}
    fields: dict[str, Any] = {name: (Literal[tuple(values)], ...) for name, values in options.items()}
    return create_model("Role", __base__=Strict, **fields)


class Query(Strict):
    """Answer of the second step. Unbounded: a bound costs seconds of grammar compilation and cuts texts at the cap;
    a run-away answer ends at max_tokens and is rejected as `cut_off`."""

    query: str
