"""What a run steers: languages, types, difficulties, lengths and clarity, each a list of names with weight and meaning.

They are data. A task's own stand in `prompts/<task>/controls.yaml`; a config names those it wants, reweighs them, or
defines new ones, for all languages or for one:

    tasks:
      retrieval:
        types: {keywords: 1, how_to: {weight: 2, definition: "a question about how something is done"}}
        by_language:
          zh: {lengths: {short: {words: [2, 4]}}}

A name's definition goes into the prompts. `draw` fixes, per row, what is not left to the model; all of it comes from the
row's own seed.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pydantic
from pydantic import Field, field_validator, model_validator

from synth import languages, yamls
from synth.errors import ConfigError
from synth.plugins import did_you_mean
from synth.settings import Strict

CONTROLS = ("types", "difficulties", "lengths", "clarities")
LONGEST, HEAVIEST = 10_000, 1_000_000
"""Words of a text, and weight in a draw: bounds that no honest config comes near to, and no column or sum overflows at."""
TEMPLATES = next(
    folder for folder in (Path(__file__).parent / "_prompts", Path(__file__).parents[1] / "prompts") if folder.is_dir()
)
"""synth's own templates and controls: in a built wheel, or in a checkout."""


class Option(Strict):
    """One name of a control."""

    weight: float = Field(1.0, ge=0, le=HEAVIEST)
    """Share in a draw, relative to the others."""
    definition: str = Field("", max_length=1000)
    """What the name means: it goes into the prompts."""


class Length(Option):
    """A range of lengths to ask for, in words."""

    words: Annotated[tuple[int, int], pydantic.Strict(False)]  # YAML has lists only

    @field_validator("words")
    @classmethod
    def _range(cls, words: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= words[0] <= words[1] <= LONGEST:
            raise ValueError(f"expected the fewest and the most words, from 1 to {LONGEST:,}, got {list(words)}")
        return words


class Overrides(Strict):
    """Controls of one language: what is named here takes the place of the task's."""

    types: dict[str, Option] | None = None
    difficulties: dict[str, Option] | None = None
    lengths: dict[str, Length] | None = None
    clarities: dict[str, Option] | None = None

    @field_validator(*CONTROLS)
    @classmethod
    def _drawable(cls, options: dict[str, Option] | None) -> dict[str, Option] | None:
        if options:
            named(options)
            weighted({name: option.weight for name, option in options.items()})
        return options


class TaskScore(Strict):
    """What a task's pairs must reach. Where the positive is a passage, `score` of the whole run holds for what is not set
    here; for other tasks nothing holds that is not set, since a threshold belongs to the kind of text, too."""

    min_cosine: float | None = Field(None, ge=-1, le=1)
    """Lowest cosine of query and positive."""
    min_quantile: float | None = Field(None, ge=0, lt=1)
    """Drop this share of the task's scored pairs, those of lowest cosine."""
    max_rank: int | None = Field(None, ge=1, le=10**12)
    """Highest rank of the positive among the passages, of tasks whose positive is a passage."""
    min_margin: float | None = Field(None, ge=-2, le=2)
    """How much nearer than the nearest written negative the positive must be, in cosine; a tie is not nearer."""


class Controls(Strict):
    """What all tasks have. A task's `Settings` names its folder of templates, and adds what only it has."""

    TASK: ClassVar[str] = ""
    """The task's folder in `prompts/`, or the path of another folder, that holds its `controls.yaml`."""
    ALSO: ClassVar[tuple[str, ...]] = ()
    """Names of further controls that only this task has."""

    rows_per_passage: float = Field(1, ge=0, le=100_000)
    """Rows to write from each passage, so the weight of a task among others; 0.25 takes every fourth passage. With
    `targets`, the most rows that one passage is used for, rounded up."""
    types: dict[str, Option] = Field({})
    """Types of rows, with weights and definitions."""
    difficulties: dict[str, Option] = Field({})
    """Difficulties, with weights and definitions."""
    lengths: dict[str, Length] = Field({})
    """Lengths to ask for; the plan draws one per row, by weight."""
    clarities: dict[str, Option] = Field({})
    """How clear a text is to be, with weights and definitions; the plan draws one per row."""
    choose: int | None = Field(None, ge=1, le=1000)
    """Let the model choose among so many types and difficulties, drawn per row by weight. By default it chooses among
    all, as in the Qwen3 Embedding paper; left alone, models take the same one nearly always. 1 prescribes both."""
    query_languages: dict[str, float] = Field({})
    """Languages to write in, with weights; by default each row is in its passage's language."""
    cross_lingual: float | None = Field(None, ge=0, le=1)
    """Share of rows in another language than their passage's, drawn from `query_languages`; the others are in its own.
    By default `query_languages` alone decides."""
    by_language: dict[str, Overrides] = Field({})
    """Other controls for rows that are written in a language."""
    score: TaskScore = TaskScore()

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        known = defaults(cls.TASK)
        given = dict(raw)
        for control in (*CONTROLS, *cls.ALSO):
            given[control] = _complete(control, given[control], known) if control in given else known.get(control, {})
        if isinstance(given.get("by_language"), Mapping):
            known = {control: {**known.get(control, {}), **_options(given[control])} for control in CONTROLS}
            given["by_language"] = {
                code: {
                    control: _complete(f"by_language.{code}.{control}", options, known)
                    if control in CONTROLS
                    else options
                    for control, options in overrides.items()
                }
                if isinstance(overrides, Mapping)
                else overrides
                for code, overrides in given["by_language"].items()
            }
        return given

    @field_validator(*CONTROLS)
    @classmethod
    def _drawable(cls, options: dict[str, Option]) -> dict[str, Option]:
        if options:
            named(options)
            weighted({name: option.weight for name, option in options.items()})
        return options

    @field_validator("query_languages")
    @classmethod
    def _weighted(cls, weights: dict[str, float]) -> dict[str, float]:
        if weights:
            weighted(weights)
        return weights

    @field_validator("query_languages", "by_language")
    @classmethod
    def _known(cls, codes: dict[str, Any]) -> dict[str, Any]:
        for code in codes:
            try:
                languages.name(code)
            except ConfigError as error:
                raise ValueError(f"{error.what}: {error.fix}") from error
        return codes

    def options(self, control: str, language: str) -> Mapping[str, Any]:
        """Return the options of a control (a name of CONTROLS) for rows written in `language`."""
        override = getattr(self.by_language.get(language), control, None)
        found: Mapping[str, Any] = getattr(self, control) if override is None else override
        return found

    def definitions(self, control: str, language: str) -> dict[str, str]:
        """Return what each option's name means, for prompts."""
        return {name: option.definition for name, option in self.options(control, language).items()}


def named(names: Iterable[Any]) -> None:
    """Raise ValueError unless all names can stand in a cell's: `retrieval/de/*/phd`."""
    for name in names:
        if not re.fullmatch(r"[^/*\s](?:[^/*]{0,98}[^/*\s])?", str(name)):
            raise ValueError(f"{str(name)!r:.110} is no name: 1 to 100 characters, without `/` and `*`")


def weighted(weights: Mapping[Any, float]) -> None:
    """Raise ValueError unless one can draw by `weights`."""
    if not (all(0 <= weight <= HEAVIEST for weight in weights.values()) and any(weights.values())):
        raise ValueError(f"expected weights from 0 to {HEAVIEST:,}, at least one above 0, got {dict(weights)}")


@cache
def defaults(task: str) -> dict[str, dict[str, Any]]:
    """Read a task's own controls: {control: {name: {weight, definition, …}}}; none for a task that has none."""
    path = TEMPLATES / task / "controls.yaml"
    if not task or not path.is_file():
        return {}
    found = yamls.loads(path.read_bytes(), str(path))
    assert isinstance(found, dict)
    return found


def _options(given: Any) -> dict[str, Any]:
    return dict(given) if isinstance(given, Mapping) else {}


def _complete(control: str, given: Any, known: Mapping[str, Mapping[str, Any]]) -> Any:
    """Give the options that a config names what it leaves unsaid: `keywords: 2` is a weight, the rest is the task's."""
    if not isinstance(given, Mapping):
        return given
    kind = control.rpartition(".")[2]
    own = known.get(kind, {})
    if own and not given:
        raise ValueError(f"{control}: name at least one (known: {', '.join(own)}), or leave the key out for all")
    made = {}
    for name, said in given.items():
        said = {"weight": said} if isinstance(said, int | float) and not isinstance(said, bool) else said
        if not isinstance(said, Mapping):
            return given
        if name not in own and "definition" not in said and kind != "lengths":
            raise ValueError(
                f"{control}: {name!r} has no definition{did_you_mean(str(name), own)}"
                f" (known: {', '.join(own) or 'none'}); give a new one as {{weight: 1, definition: …}}"
            )
        made[name] = {**own.get(name, {}), **said}
    return made


@dataclass(frozen=True)
class Drawn:
    """What is fixed about a row before the model is asked."""

    query_language: str
    types: tuple[str, ...]
    """Types the model may choose from, in the order to name them."""
    difficulties: tuple[str, ...]
    length: str
    words: int
    clarity: str


def draw(
    settings: Controls, seed: int, language_weights: Mapping[str, float], fixed: Mapping[str, str] | None = None
) -> Drawn:
    """Draw a row by its seed. `fixed` prescribes some of language, type, difficulty and length."""
    source, fixed = random.Random(seed), fixed or {}
    language = fixed.get("language") or one_of(source, language_weights)
    lengths = settings.options("lengths", language)
    length = fixed.get("length") or (one_of(source, weights(lengths)) if lengths else "")
    words = source.randint(*lengths[length].words) if length else 0
    clarities = settings.options("clarities", language)
    offered = {
        name: [fixed[name]]
        if name in fixed
        else some_of(source, weights(settings.options(control, language)), settings.choose)
        for name, control in (("type", "types"), ("difficulty", "difficulties"))
    }
    return Drawn(
        language, tuple(offered["type"]), tuple(offered["difficulty"]), length, words,
        one_of(source, weights(clarities)) if clarities else "",
    )  # fmt: skip


def weights(options: Mapping[str, Option]) -> dict[str, float]:
    return {name: option.weight for name, option in options.items()}


def one_of(source: random.Random, weights: Mapping[str, float]) -> str:
    return source.choices(list(weights), weights=list(weights.values()))[0]


def some_of(source: random.Random, weights: Mapping[str, float], number: int | None) -> list[str]:
    """Draw `number` names (all when null) without putting back, by weight, in the order drawn."""
    left = {name: weight for name, weight in weights.items() if weight > 0}
    offered: list[str] = []
    while left and (number is None or len(offered) < number):
        offered.append(one_of(source, left))
        del left[offered[-1]]
    return offered
