"""What was asked for a row, and what came back: asked again of the journal alone, so that no prompt need be stored.

The task runs as it did, on the row's plan; each request is rendered anew and must have the key that the row remembers. No
engine is opened.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synth import journal, kept, loop, plugins, prompts
from synth.ask import Line, RowAsk, Unanswered
from synth.config import Config
from synth.engines import Request, RequestFailed, Response
from synth.tasks import Answer, Unusable


@dataclass(frozen=True)
class Question:
    """One question, as it went over the wire."""

    step: str
    request: Request
    response: Response | None
    """Null when the journal has no answer: the engine gave none."""


@dataclass
class _Nobody:
    """An engine that answers nothing, and remembers what it was asked."""

    request: Request | None = None

    async def complete(self, request: Request) -> Response:
        self.request = request
        raise RequestFailed("unanswered", "the journal has no answer")


@dataclass
class _Again(RowAsk):
    """The ask of one row that remembers its last step, answered or not."""

    step: str = ""

    async def __call__(self, step: str, answer: type[Answer], *, share: str = "", **variables: Any) -> Answer:
        self.step = step
        return await super().__call__(step, answer, share=share, **variables)


def questions(config: Config, run: Path, rows: Sequence[dict[str, Any]]) -> list[list[Question]]:
    """Return, per row of schema MINED, what was asked for it, in order; none of a run whose journal is gone."""
    if not (run / journal.FILE).exists():
        return [[] for _ in rows]

    async def all_of_them() -> list[list[Question]]:
        return [await _asked(row, config, line) for row in rows]

    with kept.opened(run / journal.FILE) as opened:
        line = Line(_Nobody(), config.engine, prompts.load(config.prompts), journal.Journal(opened), seed=config.seed)  # type: ignore[arg-type]
        return loop.run(all_of_them())


async def _asked(row: dict[str, Any], config: Config, line: Line) -> list[Question]:
    nobody = _Nobody()
    ask = _Again(replace(line, engine=nobody), row["seed"], row["passage_id"])
    with contextlib.suppress(Unanswered, Unusable):
        await plugins.load("tasks", row["task"]).write(row, config.tasks[row["task"]], ask)
    found = [Question(asked.step, asked.request, asked.response) for asked in ask.asked]
    if nobody.request:
        found.append(Question(ask.step, nobody.request, None))
    # What has another key was not asked: templates of a plug-in's own, say, that have changed since.
    return [question for question, key, was in zip(found, ask.keys, row["requests"], strict=False) if key == was]
