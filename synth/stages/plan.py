"""plan: what to ask. Each passage in the running becomes the rows that the tasks will write from it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from synth import plugins
from synth.config import Config
from synth.schemas import OK, PLAN, stable_id, stable_seed, table
from synth.stage import Map, Stage


def stage(config: Config, after: Stage) -> Map:
    return Map(
        name="plan",
        does="decide what to ask of each passage",
        after=(after,),
        writes=PLAN,
        settings={
            "seed": config.seed,
            "tasks": {name: settings.model_dump(mode="json") for name, settings in config.tasks.items()},
        },
        fn=partial(plan, config=config),
        same_rows=False,
    )


def plan(passages: pa.Table, _: None, *, config: Config) -> pa.Table:
    """Turn passages (schemas.PERSONAS) into planned rows (schemas.PLAN); a rejected passage gets none.

    A row's id and seed come from the run's seed, the task, the passage and the ordinal: never from where the row stands.
    """
    tasks = [(name, plugins.load("tasks", name), settings) for name, settings in config.tasks.items()]
    rows = []
    for passage in passages.drop_columns(["embedding"]).to_pylist():
        if passage["status"] != OK:
            continue
        for name, task, settings in tasks:
            ordinals = range(settings.queries_per_passage)  # type: ignore[attr-defined]
            rows += [_row(passage, name, ordinal, config.seed, task, settings) for ordinal in ordinals]
    return table(PLAN, rows)


def _row(
    passage: Mapping[str, Any], name: str, ordinal: int, run_seed: int, task: Any, settings: Any
) -> dict[str, Any]:
    identity = stable_id("row", run_seed, name, passage["id"], ordinal)
    seed = stable_seed("row", identity)
    planned = task.plan(settings, stable_seed("plan", identity), passage["language"])
    return {
        "id": identity,
        "task": name,
        "ordinal": ordinal,
        "seed": seed,
        "passage_id": passage["id"],
        "document_id": passage["document_id"],
        "source": passage["source"],
        "title": passage["title"],
        "passage": passage["text"],
        "passage_language": passage["language"],
        "query_language": planned.query_language,
        "length": planned.length,
        "words": planned.words,
        "personas": passage["personas"],
    }
