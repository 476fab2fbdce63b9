"""Classification: a text with a label, beside the labels it does not have, or beside texts of these.

First a task is thought of in the passage's field, once for all rows of the passage: what is sorted, by which labels. Then
a text is written for one label, and the model says which other label misleads. As in E5-mistral (arXiv 2401.00368) the
positive is that label; in rows of the type `text` it is a second text of the label, and the negatives are texts, too.

The steps that write texts are not shown the passage: they would copy it, and all its rows would be alike.
"""

import random
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, create_model, model_validator

from synth import controls, languages
from synth.controls import Controls, Option
from synth.settings import Strict
from synth.tasks import Ask, Pair, Row, Shape, Step, Unusable
from synth.text import words

SHAPE = Shape(reads="prose", positive="text")

INSTRUCTIONS = (
    "Classify the text",
    "Given a text, find the label that applies to it",
    "Tell which category this text belongs to",
    "Find what is of the same class as this text",
    "Represent this text so that texts of one category are near to each other",
)

FORMS = ("label", "text")
LETTERS = "ABCDEF"
LONGEST_LABEL, LONGEST_SENTENCE = 60, 300
"""Characters. What is longer is no label, or more than a sentence."""
TELLING = 4
"""Letters from which a label counts as named when it stands in its text: `no` stands in many."""


class Settings(Controls):
    """The classification task."""

    TASK: ClassVar[str] = "classification"
    ALSO: ClassVar[tuple[str, ...]] = ("aspects",)

    choose: int | None = Field(1, ge=1, le=1)
    """Type and difficulty are drawn: the model chooses neither."""
    aspects: dict[str, Option] = Field({})
    """What the labels tell apart, with weights and definitions; each passage draws one."""
    other_texts: int = Field(1, ge=0, le=len(LETTERS) - 2)
    """Negatives of rows of the type `text`, besides that of the misleading label: so many texts of other labels."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for types in (self.types, *(other.types for other in self.by_language.values() if other.types is not None)):
            if not {*types} <= {*FORMS}:
                raise ValueError(f"types: expected some of {', '.join(FORMS)}, got {', '.join(types)}")
        controls.weighted(controls.weights(self.aspects))
        return self


def steps(settings: Settings) -> Mapping[str, Step]:
    task = {"domain", "instruction", "labels"}
    wanted = {"label", "words", "length", "clarity", "difficulty", "language", "earlier", "earlier_label"}
    return {
        "classification/brainstorm": Step(frozenset({"passage", "title", "aspect"}), frozenset(task)),
        "classification/text": Step(frozenset({*task, *wanted}), frozenset({"text", "misleading_label"})),
    }


async def write(row: Row, settings: Settings, ask: Ask) -> Pair:
    source, language = random.Random(row["seed"]), row["query_language"]
    aspect = controls.one_of(random.Random(row["passage_id"]), controls.weights(settings.aspects))
    task = await ask(
        "classification/brainstorm",
        Task,
        share=row["passage_id"],
        passage=row["passage"],
        title=row["title"],
        aspect=settings.aspects[aspect].definition,
    )
    domain, instruction, names = _checked(task)
    labels = dict(zip(LETTERS, source.sample(names, len(names)), strict=False))
    own, form = source.choice([*labels]), row["types"][0]
    difficulty = next(iter(row["difficulties"]), "")

    async def text(label: str, earlier: str = "") -> tuple[str, str]:
        answer = await ask(
            "classification/text",
            text_of(frozenset({*labels} - {label})),
            domain=domain,
            instruction=instruction,
            labels=labels,
            label=label,
            words=row["words"],
            length=row["length"],
            clarity=settings.definitions("clarities", language).get(row["clarity"], ""),
            difficulty=settings.definitions("difficulties", language).get(difficulty, ""),
            language=languages.name(language),
            earlier=earlier,
            earlier_label=own if earlier else "",
        )
        written: str = answer.text.strip()  # type: ignore[attr-defined]
        if _names(written, labels[label]):
            raise Unusable("names_label", f"{labels[label]}: {written:.200}")
        return written, answer.misleading_label  # type: ignore[attr-defined]

    query, misleading = await text(own)
    others = [letter for letter in labels if letter not in (own, misleading)]
    said = {"instruction": instruction, "type": form, "difficulty": difficulty, "label": labels[own]}
    if form == "label":
        negatives = tuple(labels[letter] for letter in (misleading, *others))
        return Pair(
            query=query,
            positive=labels[own],
            negatives=negatives,
            written=("query", "instruction"),
            positive_language="en",
            **said,
        )
    positive, _ = await text(own, query)
    of = [misleading, *source.sample(others, min(settings.other_texts, len(others)))]
    return Pair(
        query=query,
        positive=positive,
        negatives=tuple([(await text(letter, query))[0] for letter in of]),
        written=("query", "positive", "negatives", "instruction"),
        positive_language=language,
        **said,
    )


class Task(Strict):
    domain: str
    instruction: str
    labels: Annotated[list[str], Field(min_length=3, max_length=len(LETTERS))]


@cache
def text_of(letters: frozenset[str]) -> type[BaseModel]:
    """Return the answer model for a text. Labels go by letters, so that there are few models and few grammars: by their
    names there would be some for every passage, and both are kept."""
    misleading: Any = (Literal[tuple(sorted(letters))], ...)
    return create_model("Text", __base__=Strict, text=(str, ...), misleading_label=misleading)


def _checked(task: Task) -> tuple[str, str, list[str]]:
    """Return domain, instruction and labels, each on one line. Raises Unusable when they make no task."""
    domain, instruction, *labels = (" ".join(text.split()) for text in (task.domain, task.instruction, *task.labels))
    problem = _problem(domain, instruction, labels)
    if problem:
        raise Unusable("bad_task", problem)
    return domain, instruction, labels


def _problem(domain: str, instruction: str, labels: Iterable[str]) -> str | None:
    for text in (domain, instruction):
        if len(text) > LONGEST_SENTENCE:
            return f"more than {LONGEST_SENTENCE} characters: {text:.80}"
    if other := languages.is_language(instruction, "en"):
        return f"instruction {other}: {instruction:.80}"
    seen = set[str]()
    for label in labels:
        if not words(label) or len(label) > LONGEST_LABEL:
            return f"no label: {label!r:.80}"
        if label.casefold() in seen:
            return f"a label twice: {label}"
        seen.add(label.casefold())
    return None


def _names(text: str, label: str) -> bool:
    """Tell whether the words of `label` stand in the text, one after the other."""
    wanted, found = words(label), words(text)
    runs = (found[at : at + len(wanted)] for at in range(len(found)))
    return len("".join(wanted)) >= TELLING and wanted in runs
