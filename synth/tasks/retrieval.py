"""Retrieval: a passage, and a query that it answers, in the two steps of the Qwen3 Embedding paper (arXiv 2506.05176).

First the model is shown the passage and the personas nearest to it, and picks who asks, what type of question, and how
difficult. Then, playing that reader, it writes the query, of a given length and in a given language.
"""

import random
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import BaseModel, Field, create_model, field_validator

from synth import languages
from synth.errors import ConfigError
from synth.settings import Strict
from synth.tasks import Ask, Pair, Planned, Row

Type = Literal["keywords", "acquire_knowledge", "summary", "yes_or_no", "background"]
Difficulty = Literal["high_school", "university", "phd"]
"""The paper's own five types and three difficulties; their definitions stand in the templates."""

INSTRUCTIONS = (
    "Given a web search query, retrieve passages that answer the query",
    "Find the passage that answers this question",
    "Retrieve text that contains the information the user is searching for",
    "Given a question or keywords, find a document that a reader would be satisfied with",
)


_LONGEST, _HEAVIEST = 10_000, 1_000_000
"""Words of a query, and weight in a draw: bounds that no honest config comes near to, and no column or sum overflows at."""


def _weights(weights: Mapping[Any, float]) -> None:
    if weights and not (all(0 <= weight <= _HEAVIEST for weight in weights.values()) and any(weights.values())):
        raise ValueError(f"expected weights from 0 to {_HEAVIEST:,}, at least one above 0, got {dict(weights)}")


class Length(Strict):
    """A range of query lengths to ask for, in words."""

    words: Annotated[tuple[int, int], pydantic.Strict(False)]  # YAML has lists only
    weight: float = Field(1.0, ge=0)

    @field_validator("words")
    @classmethod
    def _range(cls, words: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= words[0] <= words[1] <= _LONGEST:
            raise ValueError(f"expected the fewest and the most words, from 1 to {_LONGEST:,}, got {list(words)}")
        return words


class Settings(Strict):
    """The retrieval task."""

    queries_per_passage: int = Field(2, ge=1, le=100_000)
    types: dict[Type, float] = Field(dict.fromkeys(get_args(Type), 1.0), min_length=1)
    """Question types, with weights for `offer`."""
    difficulties: dict[Difficulty, float] = Field(dict.fromkeys(get_args(Difficulty), 1.0), min_length=1)
    offer: int | None = Field(None, ge=1)
    """Let the model choose among so many types and difficulties, drawn per row by weight. By default it chooses among
    all, as in the paper; left alone, models take the same type nearly always. 1 prescribes both."""
    lengths: dict[str, Length] = Field(
        {
            "short": Length(words=(3, 6), weight=1),
            "medium": Length(words=(7, 14), weight=2),
            "long": Length(words=(15, 25), weight=1),
        },
        min_length=1,
    )
    """Length buckets; the plan draws one per row, by weight."""
    query_languages: dict[str, float] = Field(default_factory=dict)
    """Languages to write queries in, with weights; by default each query is in its passage's language."""

    @field_validator("types", "difficulties", "query_languages")
    @classmethod
    def _drawable(cls, weights: dict[str, float]) -> dict[str, float]:
        _weights(weights)
        return weights

    @field_validator("lengths")
    @classmethod
    def _drawable_lengths(cls, lengths: dict[str, Length]) -> dict[str, Length]:
        _weights({name: length.weight for name, length in lengths.items()})
        return lengths

    @field_validator("query_languages")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        for code in weights:
            try:
                languages.name(code)
            except ConfigError as error:
                raise ValueError(f"{error.what}: {error.fix}") from error
        return weights


def steps(settings: Settings) -> Mapping[str, frozenset[str]]:
    """Return each template's name and the variables it is given."""
    common = {"passage", "title", "types", "difficulties", "language"}
    return {
        "retrieval/configure": frozenset({*common, "personas"}),
        "retrieval/query": frozenset({*common, "persona", "type", "difficulty", "words", "length"}),
    }


def plan(settings: Settings, seed: int, language: str) -> Planned:
    """Draw the query's language and length for a row, by its seed."""
    draw = random.Random(seed)
    written_in = _draw(draw, settings.query_languages) if settings.query_languages else language
    length = _draw(draw, {name: bucket.weight for name, bucket in settings.lengths.items()})
    return Planned(query_language=written_in, length=length, words=draw.randint(*settings.lengths[length].words))


def _draw(draw: random.Random, weights: Mapping[str, float]) -> str:
    return draw.choices(list(weights), weights=list(weights.values()))[0]


def _offered(draw: random.Random, weights: Mapping[Any, float], number: int | None) -> list[str]:
    """Draw `number` names (all when null) without putting back, by weight, in the order drawn."""
    left = {name: weight for name, weight in weights.items() if weight > 0}
    offered: list[str] = []
    while left and (number is None or len(offered) < number):
        offered.append(_draw(draw, left))
        del left[offered[-1]]
    return offered


async def write(row: Row, settings: Settings, ask: Ask) -> Pair:
    draw = random.Random(row["seed"])
    # Models favour what is named first: another order per row makes that favour fall on each in turn.
    personas = draw.sample(row["personas"], len(row["personas"]))
    letters = "ABCDEFGHIJ"[: len(personas)]
    given: dict[str, Any] = {
        "passage": row["passage"],
        "title": row["title"],
        "types": _offered(draw, settings.types, settings.offer),
        "difficulties": _offered(draw, settings.difficulties, settings.offer),
        "language": languages.name(row["query_language"]),
    }
    role = await ask(
        "retrieval/configure",
        role_of(letters, frozenset(given["types"]), frozenset(given["difficulties"])),
        personas=dict(zip(letters, personas, strict=True)),
        **given,
    )
    chosen = {
        "persona": personas[letters.index(role.character)],  # type: ignore[attr-defined]
        "type": role.question_type,  # type: ignore[attr-defined]
        "difficulty": role.difficulty,  # type: ignore[attr-defined]
    }
    answer = await ask("retrieval/query", Query, **given, **chosen, words=row["words"], length=row["length"])
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
