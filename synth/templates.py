"""What `synth prompts` says: which templates there are, what stands in one, and what they make of a row."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth import census, earlier, headers, plugins, prompts, schemas
from synth.ask import Asked, Line, RowAsk, Unanswered
from synth.config import Config
from synth.engines import scripted
from synth.errors import ConfigError
from synth.estimate import Nowhere, with_personas
from synth.plugins import did_you_mean
from synth.prompts import Prompts
from synth.settings import Strict, parse
from synth.stages import corpus, plan
from synth.tasks import Step, Unusable


@dataclass(frozen=True)
class Template:
    """A template of a task: one of its steps, or a part that they include."""

    name: str
    task: str
    step: str
    """`none` for a part."""
    variables: tuple[str, ...]
    answer: tuple[str, ...]
    folder: str
    own: bool
    """Whether it is synth's own, and no user's."""
    hash: str
    """Of its source and of all it includes."""
    task_hash: str
    """Of all templates of the task: what rows carry in `templates`."""


@dataclass(frozen=True)
class Listing:
    templates: list[Template]
    unused: list[str]
    """Files in the user's folder that none of these tasks reads: a name that is misspelt takes no template's place."""


@dataclass(frozen=True)
class Source:
    """A template as it stands in its file."""

    name: str
    folder: str
    own: bool
    hash: str
    source: str
    includes: tuple["Source", ...] = ()
    """All that it includes, and that these include."""


@dataclass(frozen=True)
class Rendered:
    """What would be sent for a row."""

    row: Mapping[str, Any]
    asked: list[Asked]
    ended: str
    """Why it ended before the task's last step: made-up answers may be of no use. Empty when it did not."""


def listed(config: Config | None) -> Listing:
    """Check and return the templates of the config's tasks, or of all tasks that ship; raises what `Prompts.check` raises."""
    written_by = prompts.load(config.prompts if config else None)
    found: list[Template] = []
    for task, steps in _steps(config):
        task_hash = written_by.hash(steps)
        parts: dict[str, None] = {}
        for name, step in steps.items():
            written_by.check(name, *step)
            found.append(_template(written_by, f"{name}.j2", task, task_hash, step))
            parts |= dict.fromkeys(written_by.sources(f"{name}.j2"))
        known = {f"{name}.j2" for name in steps}
        found += [_template(written_by, part, task, task_hash, None) for part in sorted(parts) if part not in known]
    used = {template.name for template in found}
    users = {name for folder in written_by.folders[:-1] for name in _names(folder)}
    return Listing(found, sorted(users - used))


def _steps(config: Config | None) -> Iterator[tuple[str, Mapping[str, Step]]]:
    """Yield each task and its steps. Without a config, the settings are the tasks' defaults."""
    tasks: Mapping[str, Strict | None] = config.tasks if config else dict.fromkeys(plugins.names("tasks"))
    for task, settings in tasks.items():
        module = plugins.load("tasks", task)
        yield task, module.steps(settings or parse(module.Settings, {}, where=f"tasks.{task}"))


def _template(written_by: Prompts, part: str, task: str, task_hash: str, step: Step | None) -> Template:
    folder = written_by.folder_of(part)
    return Template(
        name=part.removesuffix(".j2"),
        task=task,
        step=headers.name_of(part)[1] if step else headers.NO_STEP,
        variables=tuple(sorted(step.variables)) if step else (),
        answer=tuple(sorted(step.answer)) if step else (),
        folder=str(folder),
        own=folder == written_by.folders[-1],
        hash=written_by.digest([part]),
        task_hash=task_hash,
    )


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix().removesuffix(".j2") for path in folder.glob("*/*.j2")}


def source(name: str, config: Config | None) -> Source:
    """Return template `name` (`retrieval/query`), checked or not, and what it includes."""
    written_by = prompts.load(config.prompts if config else None)
    name = name.removesuffix(".j2")
    # os.path's, since Path's own raises on a name that is too long
    if not any(os.path.isfile(folder / f"{name}.j2") for folder in written_by.folders):
        known = {known for folder in written_by.folders for known in _names(folder)}
        raise ConfigError(f"no template {name!r}{did_you_mean(name, known)}", fix="`synth prompts list` names them")

    def found(part: str, text: str) -> Source:
        folder = written_by.folder_of(part)
        own = folder == written_by.folders[-1]
        return Source(part.removesuffix(".j2"), str(folder), own, written_by.digest([part]), text)

    whole, *included = (found(part, text) for part, text in written_by.sources(f"{name}.j2").items())
    return replace(whole, includes=tuple(sorted(included, key=lambda one: one.name)))


def rendered(config: Config, number: int) -> Rendered:
    """Return what would be sent for row `number`, counted from 0 at the beginning of the corpus. Starts no engine and no
    embedder: personas are the first of the library, and answers are made up."""
    listed(config)  # what is wrong with a template is told before the corpus is read
    rows = _planned(config, number + 1)
    if number >= len(rows):
        raise ConfigError(
            f"--row {number}: the corpus gives {len(rows):,} rows, counted from 0",
            fix=f"give a number up to {len(rows) - 1}" if rows else "look at `synth plan`: no task has a row to write",
        )
    return asked(config, rows[number:])[0]


def asked(config: Config, rows: Sequence[Mapping[str, Any]]) -> list[Rendered]:
    """Render all steps of planned rows (of schemas.PLAN); the scripted engine answers them."""
    engine = scripted.ScriptedEngine(scripted.Settings(kind="scripted"))
    written_by = prompts.load(config.prompts)
    line = Line(engine, config.engine, written_by, Nowhere(), seed=config.seed)  # type: ignore[arg-type]

    async def one(row: Mapping[str, Any]) -> Rendered:
        ask, ended = RowAsk(line, row["seed"]), ""
        try:
            await plugins.load("tasks", row["task"]).write(row, config.tasks[row["task"]], ask)
        except (Unanswered, Unusable) as end:
            if end.reason == "template":
                raise ConfigError(end.detail, fix="mend the template: a run would lose this row") from end
            ended = f"{end.reason}: {end.detail}"
        return Rendered(row, ask.asked, ended)

    async def all_of_them() -> list[Rendered]:
        return [await one(row) for row in rows]

    return asyncio.run(all_of_them())


_FEW = 50
"""Passages to plan at once: of a large corpus, only the beginning is read."""


def _planned(config: Config, number: int) -> list[dict[str, Any]]:
    """Plan the first `number` rows of the corpus, or as many as there are, as a run without targets does."""
    few = config.model_copy(update={"shard_rows": min(config.shard_rows, _FEW), "targets": []})
    rows: list[dict[str, Any]] = []
    for passages in corpus.stage(few).read():
        rows += _rows_of(passages, few)
        if len(rows) >= number:
            break
    return rows[:number]


def _rows_of(passages: pa.Table, config: Config) -> list[dict[str, Any]]:
    """Plan all rows of passages (schemas.PASSAGES). A translation is known when it is among them."""
    running = passages.filter(pc.equal(passages.column("status"), schemas.OK)).to_pylist()
    kinds = census.Counts()
    kinds.add(running)
    counts, groups, _ = kinds.result()
    group_of = {row["id"]: group for row, group in zip(running, groups.tolist(), strict=True)}
    texts = {
        (census.key(row["parallel"], row["ordinal"], row["passages"]), row["language"]): row["text"]
        for row in reversed(running)  # of several in one language, the first
        if row["parallel"]
    }
    planner = plan.planner(
        config,
        counts,
        [],
        lambda ids: [group_of[one] for one in ids],
        lambda key, language: texts.get((key, language), ""),
        earlier.planned([]),
    )
    planned: list[dict[str, Any]] = plan.plan(with_personas(passages, config), planner, 1, 0).to_pylist()
    return planned
