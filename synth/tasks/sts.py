"""Semantic similarity: a text of a passage, one that is highly similar to it, and one that is less so, with scores.

As in E5-mistral (arXiv 2401.00368), a row has a unit (sentence, phrase or passage) and two scores from 0 to 5, and the
model writes the two texts in one answer. The text itself comes out of the corpus; a phrase is the model's.
"""

import random
import re
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from synth import controls, languages
from synth.controls import Controls, Option, TaskScore
from synth.sentences import spans, whole
from synth.settings import Strict
from synth.tasks import Ask, Pair, Row, Shape, Step
from synth.text import count_words

SHAPE = Shape(reads="prose", positive="text", symmetric=True)

INSTRUCTIONS = (
    "Retrieve texts that mean the same as this one",
    "Find the text that is nearest in meaning",
    "Given a text, find another that says the same in other words",
    "Judge how similar two texts are in meaning",
    "Represent this text so that texts of like meaning are near to it",
)

UNITS = ("sentence", "phrase", "passage")
GRADES = ("high", "low")
MOST_WORDS = 80
"""Words of a text of the unit `passage`."""
SENTENCES = (2, 4)
"""Sentences of it, the fewest and the most, where the whole passage is longer."""


class Settings(Controls):
    """The sts task."""

    TASK: ClassVar[str] = "sts"
    ALSO: ClassVar[tuple[str, ...]] = GRADES

    choose: int | None = Field(1, ge=1, le=1)
    """Type and difficulty are prescribed: the text is taken before the model is asked."""
    high: dict[str, Option] = Field({})
    """Scores of the similar text, with weights and definitions; each row draws one."""
    low: dict[str, Option] = Field({})
    """Scores of the less similar text, with weights and definitions; each row draws one."""
    score: TaskScore = TaskScore(min_margin=0.0)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for types in (self.types, *(other.types for other in self.by_language.values() if other.types is not None)):
            if not {*types} <= {*UNITS}:
                raise ValueError(f"types: expected some of {', '.join(UNITS)}, got {', '.join(types)}")
        for name in GRADES:
            grades = getattr(self, name)
            if not all(re.fullmatch(r"[0-4](\.\d+)?|5(\.0+)?", score) for score in grades):
                raise ValueError(f"{name}: expected scores from 0 to 5, in quotes, got {', '.join(grades)}")
            controls.weighted(controls.weights(grades))
        if min(map(float, self.high)) <= max(map(float, self.low)):
            raise ValueError("high, low: each score of `high` must be above all of `low`")
        return self


def steps(settings: Settings) -> Mapping[str, Step]:
    means = {"unit", "difficulty", "words", "high", "high_means", "low", "low_means"}
    return {
        "sts/phrase": Step(frozenset({"text", "language"}), frozenset({"phrase"})),
        "sts/pair": Step(frozenset({"text", "language", *means}), frozenset({"similar", "less_similar"})),
    }


async def write(row: Row, settings: Settings, ask: Ask) -> Pair:
    source, code = random.Random(row["seed"]), row["passage_language"]
    high, low = (controls.one_of(source, controls.weights(grades)) for grades in (settings.high, settings.low))
    unit, difficulty = row["types"][0], next(iter(row["difficulties"]), "")
    language = languages.name(code)
    text = _text(row["passage"], code, unit, source)
    if unit == "phrase":
        text = (await ask("sts/phrase", Phrase, text=text, language=language)).phrase.strip()
    answer = await ask(
        "sts/pair",
        Texts,
        text=text,
        language=language,
        unit=settings.definitions("types", row["query_language"])[unit],
        difficulty=settings.definitions("difficulties", row["query_language"]).get(difficulty, ""),
        words=count_words(text),
        high=high,
        high_means=settings.high[high].definition,
        low=low,
        low_means=settings.low[low].definition,
    )
    return Pair(
        query=text,
        positive=answer.similar.strip(),
        negatives=(answer.less_similar.strip(),),
        written=("query", "positive", "negatives") if unit == "phrase" else ("positive", "negatives"),
        type=unit,
        difficulty=difficulty,
        similarity=float(high),
        negative_similarities=(float(low),),
    )


class Phrase(Strict):
    phrase: str


class Texts(Strict):
    similar: str
    less_similar: str


def _text(passage: str, language: str, unit: str, source: random.Random) -> str:
    """Draw the text: one sentence of the passage (a phrase is made of it), or some; a short passage is taken whole."""
    places = spans(passage, language)
    found = [passage[start:end] for start, end in places]
    usable = whole(found)
    if unit != "passage":
        return found[source.choice(usable)]
    if len(usable) == len(found) and count_words(passage) <= MOST_WORDS:
        return passage
    number = source.randint(*SENTENCES)
    runs: list[tuple[int, int]] = []
    for first in usable:
        last, words = first, count_words(found[first])
        while last + 1 in usable and last + 1 < first + number:
            words += count_words(found[last + 1])
            if words > MOST_WORDS:
                break
            last += 1
        runs.append((first, last))
    longest = max(last - first for first, last in runs)
    first, last = source.choice([run for run in runs if run[1] - run[0] == longest])
    return passage[places[first][0] : places[last][1]]
