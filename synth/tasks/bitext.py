"""Bitext: sentences of a passage, and their translation; with negatives that are the original, wrong in a detail.

Where the corpus has the passage in the other language, too, nothing is translated: its own versions are taken. Otherwise
the model translates. Then it writes the original again with one detail changed, of a kind that it chooses among some.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, create_model

from synth import languages
from synth.controls import Controls, some_of, weights
from synth.sentences import spans, whole
from synth.settings import Strict
from synth.tasks import Ask, Pair, Row, Shape, Step
from synth.text import count_words

SHAPE = Shape(reads="prose", positive="text", symmetric=True, translates=True)

INSTRUCTIONS = (
    "Find the text that says the same in another language",
    "Given a text, retrieve its translation",
    "Match sentences that are translations of each other",
    "Retrieve the sentence of another language that has exactly this meaning",
    "Given a sentence, find what it was translated from or into",
)

ONE = "sentence"
"""The length that is one sentence, however long."""
MOST_WORDS = 80
"""Words of a passage that is taken whole, where it is not known which sentence of its translation is which."""


class Settings(Controls):
    """The bitext task."""

    TASK: ClassVar[str] = "bitext"

    choose: int | None = Field(3, ge=1, le=1000)
    """Let the model choose the detail to change among so many types, drawn per row by weight: one that the text has. Of
    all of them, models take the same one nearly always; 1 prescribes it."""
    negatives: int = Field(1, ge=1, le=4)
    """Altered originals to write for each row, each wrong in a detail of another type, while there are others."""


def steps(settings: Settings) -> Mapping[str, Step]:
    return {
        "bitext/translate": Step(frozenset({"text", "language"}), frozenset({"translation"})),
        "bitext/alter": Step(frozenset({"text", "types", "language", "done"}), frozenset({"type", "altered"})),
    }


async def write(row: Row, settings: Settings, ask: Ask) -> Pair:
    source = random.Random(row["seed"])
    original, translation = _excerpt(row, source)
    given = bool(translation)
    if not given:
        answer = await ask(
            "bitext/translate", Translation, text=original, language=languages.name(row["query_language"])
        )
        translation = answer.translation.strip()
    known = settings.options("types", row["query_language"])
    offered: list[str] = list(row["types"])
    types: list[str] = []
    negatives: list[str] = []
    for _ in range(settings.negatives):
        altered = await ask(
            "bitext/alter",
            altered_of(frozenset(offered)),
            text=original,
            types={name: known[name].definition for name in offered},
            language=languages.name(row["passage_language"]),
            done=list(negatives),
        )
        types.append(altered.type)  # type: ignore[attr-defined]
        negatives.append(altered.altered.strip())  # type: ignore[attr-defined]
        others = {name: weight for name, weight in weights(known).items() if name not in types}
        offered = (
            [name for name in row["types"] if name not in types]
            or some_of(source, others, settings.choose)
            or list(row["types"])
        )
    return Pair(
        query=translation,
        positive=original,
        negatives=tuple(negatives),
        written=("negatives",) if given else ("query", "negatives"),
        type=types[0],
    )


@cache
def altered_of(types: frozenset[str]) -> type[BaseModel]:
    """Return the answer model of `alter`: one per set of types, whatever their order, since each is a grammar."""
    fields: dict[str, Any] = {"type": (Literal[tuple(sorted(types))], ...), "altered": (str, ...)}
    return create_model("Altered", __base__=Strict, **fields)


class Translation(Strict):
    translation: str


def _excerpt(row: Row, source: random.Random) -> tuple[str, str]:
    """Draw sentences of the passage; return them, and the same ones of the corpus's translation (empty without one)."""
    passage, translation = row["passage"], row["translation"]
    places = spans(passage, row["passage_language"])
    others = spans(translation, row["query_language"])
    if translation and len(others) != len(places):
        if count_words(passage) <= MOST_WORDS:
            return passage, translation
        translation = ""  # what belongs to what is not known, and the whole is too long: the model translates
    found = [passage[start:end] for start, end in places]
    first, last = _run(found, 0 if row["length"] == ONE else row["words"], source)
    text = passage[places[first][0] : places[last][1]]
    return text, translation[others[first][0] : others[last][1]] if translation else ""


def _run(found: Sequence[str], words: int, source: random.Random) -> tuple[int, int]:
    """Draw a run of neighbouring sentences of about `words` words (0: one sentence); return its first and last."""
    usable, sizes = whole(found), [count_words(sentence) for sentence in found]
    runs: list[tuple[int, int, int]] = []
    for first in usable:
        last, size = first, sizes[first]
        while last + 1 in usable and abs(size + sizes[last + 1] - words) < abs(size - words):
            last += 1
            size += sizes[last]
        runs.append((abs(size - words), first, last))
    near = max(words / 4, min(runs)[0]) if words else max(runs)[0]
    _, first, last = source.choice([run for run in runs if run[0] <= near])
    return first, last
