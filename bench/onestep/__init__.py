"""A task of one question a row, for benchmarks: as little of a task as there can be."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from synth.controls import Controls
from synth.settings import Strict
from synth.tasks import Ask, Pair, Row, Shape, Step

SHAPE = Shape(reads="prose", positive="passage")
INSTRUCTIONS = (
    "Given a question, retrieve the passage that answers it",
    "Find the passage that the question was asked about",
    "Retrieve the text that has the answer to the question",
)


class Settings(Controls):
    """The benchmark task."""

    TASK: ClassVar[str] = str(Path(__file__).parent / "prompts" / "onestep")


class Answer(Strict):
    query: str


def steps(settings: Settings) -> Mapping[str, Step]:
    return {"onestep/ask": Step(frozenset({"passage", "ordinal"}), frozenset({"query"}))}


async def write(row: Row, settings: Settings, ask: Ask) -> Pair:
    answer = await ask("onestep/ask", Answer, passage=row["passage"], ordinal=row["ordinal"] + 1)
    return Pair(query=answer.query, positive=row["passage"])
