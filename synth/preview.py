"""A few rows with every prompt and raw answer, for work on prompts. Nothing of it is kept."""

import asyncio
import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import pipeline, schemas, store
from synth.ask import Asked
from synth.config import Config
from synth.executors import local
from synth.progress import Display
from synth.stage import Workspace
from synth.stages import generate


@dataclass(frozen=True)
class Previewed:
    """A row after the filters, and what was asked for it."""

    row: dict[str, Any]
    asked: list[Asked]


def preview(config: Config, number: int, display: Display) -> list[Previewed]:
    """Write `number` rows from the first documents of the corpus, in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="synth-preview-") as folder:
        few = config.model_copy(
            update={
                "outputs": folder,
                "corpus": config.corpus.model_copy(update={"limit": min(number, config.corpus.limit or number)}),
            }
        )
        stages = pipeline.build(few)
        run = few.folder
        run.mkdir()
        local.run(stages.stages[: stages.stages.index(stages.generate)], run, display)
        plans = pa.concat_tables(store.read_parts(run, stages.plan)).slice(0, number)
        asked: dict[str, list[Asked]] = {}
        with display(stages.generate, plans.num_rows) as bar:
            workspace = Workspace(Path(folder), run, bar)
            with stages.generate.open(workspace) as generator:
                traced = dataclasses.replace(
                    generator, trace=lambda row, questions: asked.update({row["id"]: questions})
                )
                written = asyncio.run(generate.generate(plans, traced))
        judged = stages.filter.fn(schemas.conform(written, schemas.PAIRS), None)
        return [Previewed(row, asked[row["id"]]) for row in judged.to_pylist()]  # type: ignore[union-attr]
