"""A stand-in for a model: fills any JSON schema by rules, from the request alone. For tests and dry runs.

The same request always gets the same answer, in any order, on any machine. Strings are questions made of words of the
longest paragraph of the last turn (the passage, in synth's own templates), in the language that the turn names ("in
German"), so that filters, scores and mining have something sensible to work on.
"""

import asyncio
import contextlib
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from synth import yamls
from synth.engines import EngineSettings, Request, RequestFailed, Response

_VOCABULARY = Path(__file__).parents[1] / "data" / "scripted.yaml"


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


_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]{2,5}|[\u0900-\u0dff]{4,}|[^\W\u3040-\u30ff\u4e00-\u9fff]{4,}")
"""Of Chinese and Japanese, a few characters: they are written without spaces. Vowel signs of India are no `\\w`."""
_TOGETHER = 8
"""Words to choose from."""
_TEXT = re.compile(r"\w+:\n(.*?)(?:\n\n|\Z)", re.DOTALL)
"""How a turn begins that has a text: `Passage:`, `Text:`, `Code:`."""


@cache
def _vocabulary() -> dict[str, tuple[str, list[str]]]:
    """Read what is written with: a sentence with room for words, and nouns, by name of the language."""
    raw = yamls.loads(_VOCABULARY.read_bytes(), str(_VOCABULARY))
    return {name: (entry["frame"], entry["nouns"].split()) for name, entry in raw.items()}


@cache
def _named() -> re.Pattern[str]:
    return re.compile(rf"\bin ({'|'.join(_vocabulary())})\b")


def _fill(schema: dict[str, Any], request: Request, draw: random.Random) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            return {name: _fill(inner, request, draw) for name, inner in schema.get("properties", {}).items()}
        case "array":
            number = max(1, schema.get("minItems", 1))
            if schema.get("items", {}).get("type") == "string":
                words = list(dict.fromkeys(_words(request.messages[-1].content, draw, 8 * number)))
                return (words + [f"other {n}" for n in range(number)])[:number]
            return [_fill(schema.get("items", {}), request, draw) for _ in range(number)]
        case "integer" | "number":
            return draw.randint(schema.get("minimum", 0), schema.get("maximum", 10))
        case "boolean":
            return draw.random() < 0.5
        case _:
            return _question(request.messages[-1].content, draw)


def _question(turn: str, draw: random.Random) -> str:
    """Ask about four long words that stand together in the text, and three nouns; where there is no text, of seven nouns, so
    that no two questions are alike."""
    named = _named().findall(turn)
    frame, nouns = _vocabulary()[named[-1] if named else "English"]
    words = _words(turn, draw, _TOGETHER)
    told = sorted(words, key=len, reverse=True)[:4] if len(words) == _TOGETHER or _TEXT.match(turn) else []
    if named or not told:
        told += draw.sample(nouns, 3 if told else 7)
    return frame.format(" ".join(told))


def _words(turn: str, draw: random.Random, number: int) -> list[str]:
    """Return so many words, of four letters and more, that follow one another in what the turn is about: the text that it
    begins with, else its longest paragraph."""
    text = _TEXT.match(turn)
    words = _WORD.findall(text[1] if text else max(turn.split("\n\n"), key=len)) or ["nothing"]
    start = draw.randrange(max(1, len(words) - number))
    return words[start : start + number]
