"""A stand-in for a model: fills any JSON schema by rules, from the request alone. For tests and dry runs.

The same request always gets the same answer, in any order, on any machine. Strings are questions made of words of the
passage (what follows "Passage:" in the last turn, as in synth's own templates), so that filters, scores and mining have
something sensible to work on.
"""

import asyncio
import contextlib
import json
import random
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from synth.engines import EngineSettings, Request, RequestFailed, Response


class Settings(EngineSettings):
    """No model at all."""

    kind: Literal["scripted"]
    model: str = "scripted"
    seconds: float = Field(0.0, ge=0)
    """Time an answer takes."""
    junk: float = Field(0.0, ge=0, le=1)
    """Share of answers that are not JSON."""
    failing: float = Field(0.0, ge=0, le=1)
    """Share of requests that the engine refuses."""


@contextlib.contextmanager
def open(settings: Settings) -> Iterator["ScriptedEngine"]:
    yield ScriptedEngine(settings)


class ScriptedEngine:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def complete(self, request: Request) -> Response:
        await asyncio.sleep(self._settings.seconds)
        draw = random.Random(request.key(self._settings.model))
        if draw.random() < self._settings.failing:
            raise RequestFailed("refused", "scripted refusal")
        prompt = sum(len(message.content.split()) for message in request.messages)
        if draw.random() < self._settings.junk:
            return Response("not JSON", "stop", prompt, 0, 2)
        text = json.dumps(_fill(json.loads(request.schema), request, draw), ensure_ascii=False)
        return Response(text, "stop", prompt, 0, len(text.split()))


def _fill(schema: dict[str, Any], request: Request, draw: random.Random) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            return {name: _fill(inner, request, draw) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [_fill(schema.get("items", {}), request, draw)]
        case "integer" | "number":
            return draw.randint(schema.get("minimum", 0), schema.get("maximum", 10))
        case "boolean":
            return draw.random() < 0.5
        case _:
            return _question(request.messages[-1].content, draw)


def _question(turn: str, draw: random.Random) -> str:
    """Ask about the four longest of eight words that follow one another in the passage."""
    passage = turn.partition("Passage:\n")[2] or turn
    words = re.findall(r"\w{4,}", passage.partition("\n\n")[0]) or ["nothing"]
    start = draw.randrange(max(1, len(words) - 8))
    chosen = sorted(words[start : start + 8], key=len, reverse=True)[:4]
    return f"What is known about {' '.join(chosen)}?"
