"""What is written: one module per task. A task asks questions, and knows nothing of engines.

A task module has
- `Settings`: its part of the config;
- `INSTRUCTIONS`: wordings of the embedder's instruction; a row takes one by its seed;
- `steps(settings)`: the templates it asks, each with the variables it gives;
- `plan(settings, seed, language)`: what is fixed before the model is asked: length, language and so on;
- `write(row, settings, ask)`: a coroutine that asks and returns what was written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

Answer = TypeVar("Answer", bound=BaseModel)
Row = Mapping[str, Any]
"""A row of schemas.PLAN."""


class Ask(Protocol):
    """Puts one question to the model: render the template, send it, parse the answer. Raises what ends the row."""

    async def __call__(self, step: str, answer: type[Answer], **variables: Any) -> Answer: ...


@dataclass(frozen=True)
class Planned:
    """What the plan fixes about one row."""

    query_language: str
    length: str
    words: int


@dataclass(frozen=True)
class Pair:
    """What a task returns for one row."""

    query: str
    positive: str
    persona: str = ""
    type: str = ""
    difficulty: str = ""
