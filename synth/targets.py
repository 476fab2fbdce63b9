"""Targets: how many accepted rows a run is to come to, cell by cell, and what it may cost.

A target names some of task, language, type, difficulty and length, each by one name or by weights; `rows` of it are
spread over the product:

    targets:
      - {task: retrieval, language: {en: 4, de: 1}, difficulty: {university: 2, phd: 1}, rows: 6000}   # six cells
      - {task: bitext, rows: 1000}                                                                    # one cell

What a target does not name is drawn as without targets. Each accepted row counts for the one cell that it was planned
for, so cells must not overlap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from synth import languages
from synth.controls import HEAVIEST, Controls
from synth.errors import ConfigError
from synth.plugins import did_you_mean
from synth.settings import Strict

DIMENSIONS = ("task", "language", "type", "difficulty", "length")
MOST_CELLS = 10_000
"""More cells than these are a slip of the pen: five dimensions multiply."""
_CONTROL = {"type": "types", "difficulty": "difficulties", "length": "lengths"}


def _weights(given: Any) -> Any:
    """Read a name as all of the weight, and a list as equal weights."""
    if isinstance(given, str):
        return {given: 1.0}
    if isinstance(given, list):
        if odd := next((item for item in given if not isinstance(item, str)), None):
            raise ValueError(f"expected names, got {odd!r}: weights are written as {{name: weight, …}}")
        if len(set(map(str, given))) < len(given):
            raise ValueError(f"a name stands twice in {given}")
        return dict.fromkeys(given, 1.0)
    return given


Weights = Annotated[dict[str, float], BeforeValidator(_weights), Field(min_length=1)]


class Target(Strict):
    """Accepted rows to come to, of one cell or of the product of several."""

    rows: int = Field(ge=1, le=10**10)
    """Rows that come through all stages."""
    task: Weights | None = None
    """A task, or weights of several; by default all that have the names asked for, by their `rows_per_passage`."""
    language: Weights | None = None
    """Language to write in (`query_language`): an ISO 639-1 code, or weights of several."""
    type: Weights | None = None
    """A type of the task, or weights of several: the plan prescribes it, and the model does not choose."""
    difficulty: Weights | None = None
    """A difficulty of the task, or weights of several: prescribed, too."""
    length: Weights | None = None
    """A length of the task, or weights of several."""

    @field_validator("task", "language", "type", "difficulty", "length")
    @classmethod
    def _drawable(cls, weights: dict[str, float] | None) -> dict[str, float] | None:
        if weights is not None and not all(1 / HEAVIEST <= weight <= HEAVIEST for weight in weights.values()):
            raise ValueError(f"expected weights from {1 / HEAVIEST:f} to {HEAVIEST:,}, got {weights}")
        return weights


class Budget(Strict):
    """What a run with targets may spend before it stops short of them. Looked at between rounds: a round is planned to
    fit what is left by what rows have cost so far, and the first is then a small one, to learn that."""

    requests: int | None = Field(None, ge=1)
    """Different requests to the engine, those answered out of the journal included."""
    tokens: int | None = Field(None, ge=1)
    """Tokens of prompts and answers, before any prefix cache."""
    hours: float | None = Field(None, gt=0)
    """Hours of generating, of all sessions of the run. It is time, so a run with it cannot be repeated exactly."""
    rounds: int = Field(12, ge=1, le=1000)
    """Rounds at most."""
    min_acceptance: float = Field(0.01, ge=0, le=1)
    """Give a cell up once it is all but certain that a smaller share of its rows is accepted: each accepted row costs the
    inverse of it."""

    @property
    def is_limited(self) -> bool:
        return not (self.requests is self.tokens is self.hours is None)


@dataclass(frozen=True)
class Cell:
    """One combination of names, and how many accepted rows it is to have."""

    rows: int
    task: str
    language: str = ""
    type: str = ""
    difficulty: str = ""
    length: str = ""

    @property
    def fixed(self) -> dict[str, str]:
        """What it prescribes, besides the task."""
        return {name: value for name in DIMENSIONS[1:] if (value := getattr(self, name))}

    @property
    def name(self) -> str:
        """`retrieval/de/phd`: what it fixes, in the order of DIMENSIONS; `*` for what stands free between two others."""
        parts = [getattr(self, name) or "*" for name in DIMENSIONS]
        while parts[-1] == "*":
            parts.pop()
        return "/".join(parts)


def cells(targets: Sequence[Target], tasks: Mapping[str, Controls]) -> list[Cell]:
    """Expand `targets` into cells, in order; raise ConfigError for names that do not exist, and for cells that overlap."""
    found: list[Cell] = []
    for at, target in enumerate(targets):
        where = f"targets.{at}"
        named = {name: getattr(target, name) for name in DIMENSIONS[1:] if getattr(target, name)}
        by_task = target.task or _all_tasks(where, named, tasks)
        _check(where, by_task, named, tasks)
        choices = {"task": by_task, **named}
        combined = list(product(*(weights.items() for weights in choices.values())))
        if len(found) + len(combined) > MOST_CELLS:
            raise ConfigError(
                f"{where}: more than {MOST_CELLS:,} cells in all", fix="name fewer values or dimensions at once"
            )
        shares = []
        for combination in combined:
            share = 1.0
            for _, weight in combination:
                share *= weight
            shares.append(share)
        for combination, rows in zip(combined, spread(target.rows, shares), strict=True):
            made = Cell(rows=rows, **{name: value for name, (value, _) in zip(choices, combination, strict=True)})
            if not rows:
                raise ConfigError(
                    f"{where}: {target.rows} rows over {len(combined)} cells leave none for {made.name!r}",
                    fix="raise `rows`, or name fewer values",
                )
            found.append(made)
    _check_apart(found)
    return found


def spread(total: int, weights: Sequence[float]) -> list[int]:
    """Split `total` by `weights` into whole numbers that add up to it: the largest remainders get what is left over."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    parts = [int(value) for value in exact]
    left = total - sum(parts)
    for at in sorted(range(len(parts)), key=lambda at: (parts[at] - exact[at], at))[:left]:
        parts[at] += 1
    return parts


def _all_tasks(where: str, named: Mapping[str, Any], tasks: Mapping[str, Controls]) -> dict[str, float]:
    wanted = {name: weights for name, weights in named.items() if name in _CONTROL}
    spoken = named.get("language", {})
    found = {
        task: settings.rows_per_passage
        for task, settings in tasks.items()
        if settings.rows_per_passage
        and all(set(weights) <= set(_known(settings, name, spoken)) for name, weights in wanted.items())
    }
    if not found:
        known = {option for settings in tasks.values() for name in wanted for option in _known(settings, name, spoken)}
        names = [option for weights in wanted.values() for option in weights]
        odd = next((option for option in names if option not in known), names[0] if names else "")
        raise ConfigError(
            f"{where}: no task of this config has all of {', '.join(names)}{did_you_mean(odd, known)}",
            fix="name the task, and names that it has",
        )
    return found


def _check(where: str, by_task: Mapping[str, float], named: Mapping[str, Any], tasks: Mapping[str, Controls]) -> None:
    for task in by_task:
        if task not in tasks:
            raise ConfigError(
                f"{where}.task: {task!r} is not among the config's tasks{did_you_mean(task, tasks)}",
                fix=f"one of: {', '.join(tasks)}; or add it under `tasks`",
            )
        if not tasks[task].rows_per_passage:
            raise ConfigError(f"{where}.task: {task!r} has rows_per_passage: 0", fix="raise it: it writes no row")
        for name, weights in named.items():
            if name == "language":
                _check_languages(where, task, weights, tasks[task])
                continue
            known = _known(tasks[task], name, named.get("language", {}))
            for value in weights:
                if value not in known:
                    raise ConfigError(
                        f"{where}.{name}: task {task!r} has no {name} {value!r}{did_you_mean(value, known)}",
                        fix=f"one of: {', '.join(known) or f'none: the task has no {_CONTROL[name]}'}",
                    )


def _check_languages(where: str, task: str, wanted: Iterable[str], settings: Controls) -> None:
    for code in wanted:
        languages.name(code)
        if settings.query_languages and settings.cross_lingual is None and not settings.query_languages.get(code):
            raise ConfigError(
                f"{where}.language: task {task!r} writes in {', '.join(settings.query_languages)}, not in {code!r}",
                fix=f"add it to tasks.{task}.query_languages",
            )


def _known(settings: Controls, name: str, spoken: Iterable[str]) -> list[str]:
    """Return the names that a dimension has in all of the languages `spoken`, or in every language when there are none."""
    control = _CONTROL[name]
    each = [settings.options(control, code) for code in spoken or ("", *settings.by_language)]
    return [option for option in each[0] if all(option in options for options in each)]


def _check_apart(cells: Iterable[Cell]) -> None:
    """Raise ConfigError when a row could count for two cells."""
    patterns: dict[tuple[str, ...], dict[tuple[str, ...], Cell]] = {}
    for cell in cells:
        fixed = ("task", *cell.fixed)
        values = tuple(getattr(cell, name) for name in fixed)
        if (other := patterns.setdefault(fixed, {}).setdefault(values, cell)) is not cell:
            raise _overlap(cell, other)
    for one, two in combinations(patterns, 2):
        shared = [name for name in one if name in two]
        seen = {tuple(getattr(cell, name) for name in shared): cell for cell in patterns[one].values()}
        for cell in patterns[two].values():
            if (values := tuple(getattr(cell, name) for name in shared)) in seen:
                raise _overlap(cell, seen[values])


def _overlap(one: Cell, two: Cell) -> ConfigError:
    return ConfigError(
        f"targets: a row could count for {one.name!r} and for {two.name!r}",
        fix="name the same dimensions in both, so that each row belongs to one of them",
    )
