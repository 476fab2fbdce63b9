"""What is written: one module per task. A task asks questions, and knows nothing of engines.

A task module has
- `Settings`: its part of the config, a `controls.Controls`;
- `SHAPE`: what it reads, and what its positive is;
- `INSTRUCTIONS`: wordings of the embedder's instruction; a row takes one by its seed;
- `steps(settings)`: the templates it asks, by name, each with the variables it gives and the fields it wants back;
- `write(row, settings, ask)`: a coroutine that asks and returns what was written.
Its controls (types, difficulties, lengths, clarities) and templates are in `prompts/<task>/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel

Answer = TypeVar("Answer", bound=BaseModel)
Row = Mapping[str, Any]
"""A row of schemas.PLAN."""
Role = Literal["query", "positive", "negatives", "instruction"]


class Ask(Protocol):
    """Puts one question to the model: render the template, send it, parse the answer. Raises what ends the row.

    Rows that give the same `share`, and the same variables, ask the same question: the model answers it once.
    """

    async def __call__(self, step: str, answer: type[Answer], *, share: str = "", **variables: Any) -> Answer: ...


class Step(NamedTuple):
    """What a template is given, and what its answer must hold."""

    variables: frozenset[str]
    answer: frozenset[str]


@dataclass(frozen=True)
class Shape:
    """What a task reads and makes: how its rows are planned, judged and scored."""

    reads: Literal["prose", "code"] = "prose"
    """Which passages it is written from: those of documents, or those of source files."""
    positive: Literal["passage", "text"] = "passage"
    """`passage`: the query asks about the passage, which is the positive, ranked and with negatives among all others.
    `text`: query, positive and negatives are the row's own."""
    symmetric: bool = False
    """Whether query and positive are texts of one kind, so that an embedder treats both as queries."""
    translates: bool = False
    """Whether a row needs two languages: the passage's, and another one."""


@dataclass(frozen=True)
class Pair:
    """What a task returns for one row."""

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    """Negatives that belong to the row: written for it, or other labels."""
    written: tuple[Role, ...] = ("query",)
    """What the model wrote: only that is judged by rules for texts. A label or a passage is not, an instruction that the
    model thought of is."""
    positive_language: str = ""
    """ISO 639-1 code of positive and negatives; empty: the passage's."""
    instruction: str = ""
    """The task instruction, where the row has one of its own; empty: one of the task's INSTRUCTIONS."""
    persona: str = ""
    type: str = ""
    difficulty: str = ""
    label: str = ""
    """Class of the query."""
    similarity: float | None = None
    """Graded similarity of query and positive, 0 to 5."""
    negative_similarities: tuple[float, ...] = ()
    """Graded similarity of the query and each negative, 0 to 5; empty when they have none."""


class Unusable(Exception):
    """What the model wrote cannot be used: the row ends here, rejected for `reason`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail
