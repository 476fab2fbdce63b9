"""What shares a run was to come to: of its targets, else of the weights that its plan drew by."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from synth import plugins
from synth.config import Config
from synth.controls import weights
from synth.report.counts import Counts

TARGET, WEIGHT, PLANNED = "target", "weight", "planned"
_CONTROL = {"type": "types", "difficulty": "difficulties", "length": "lengths"}


@dataclass(frozen=True)
class Wanted:
    """Shares by name, that add up to 1; none where nothing was asked for."""

    kind: str
    shares: Mapping[str, float]


NOTHING = Wanted("", {})


def of_tasks(config: Config, counts: Counts) -> Wanted:
    if config.targets:
        return _normal(
            TARGET, Counter({task: sum(c.rows for c in config.cells if c.task == task) for task in config.tasks})
        )
    return _normal(PLANNED, Counter({task: counts.total(task=task) for task in counts.tasks}))


def of(config: Config, counts: Counts, task: str, dimension: str) -> Wanted:
    """Return the shares of a dimension (counts.FACETS) of one task."""
    targets: Counter[str] = Counter()
    for cell in config.cells:
        if cell.task == task and getattr(cell, dimension):
            targets[getattr(cell, dimension)] += cell.rows
    if targets:
        return _normal(TARGET, targets)
    planned = Counter[str]()
    for (of_task, language, _), number in counts.fates.items():
        if of_task == task:
            planned[language] += number
    return _languages(config, planned, task) if dimension == "language" else _drawn(config, planned, task, dimension)


def _languages(config: Config, planned: Counter[str], task: str) -> Wanted:
    settings, shape = config.tasks[task], plugins.load("tasks", task).SHAPE
    if settings.query_languages and settings.cross_lingual is None and not shape.translates:
        return _normal(WEIGHT, settings.query_languages)
    return _normal(PLANNED, planned)


def _drawn(config: Config, planned: Counter[str], task: str, dimension: str) -> Wanted:
    """Return the weights of a control, which a language may have of its own: so by the rows planned in each."""
    settings = config.tasks[task]
    if dimension != "length" and settings.choose is None:
        return NOTHING  # the model chooses among all
    found: dict[str, float] = {}
    for language, rows in planned.items():
        drawn = weights(settings.options(_CONTROL[dimension], language))
        for name, weight in drawn.items():
            found[name] = found.get(name, 0.0) + rows * weight / (sum(drawn.values()) or 1.0)
    return _normal(WEIGHT, found)


def _normal(kind: str, weights: Mapping[str, float]) -> Wanted:
    whole = sum(weights.values())
    return Wanted(kind, {name: weight / whole for name, weight in weights.items() if weight}) if whole else NOTHING
