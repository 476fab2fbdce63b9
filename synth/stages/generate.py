"""generate: the model writes. Rows flow through the engine without a pause; what it answers is in the journal first."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from synth import engines, journal, plugins, prompts
from synth.ask import Asked, Line, RowAsk, Unanswered
from synth.config import Config
from synth.engines import Response
from synth.errors import BudgetError, Stopped
from synth.schemas import FAILED, OK, PAIRS, REJECTED, stable_seed, table
from synth.slots import Slots
from synth.stage import Map, Progress, Stage, Workspace
from synth.tasks import Pair, Unusable

MIN_ROWS_TO_JUDGE = 50
"""Rows to see before the share of failures can stop a run: a share of fewer means little."""


@dataclass
class Generator:
    """The open resource: an engine behind a journal, a bound on rows under way, and the tally of failures."""

    config: Config
    line: Line
    slots: Slots
    progress: Progress
    templates: dict[str, str]
    rows: int = 0
    failed: int = 0
    last_failure: str = ""
    trace: Callable[[dict[str, Any], list[Asked]], None] = field(default=lambda row, asked: None)


def stage(config: Config, after: Stage) -> Map:
    written_by = prompts.load(config.prompts)
    hashes = {}
    for name, settings in config.tasks.items():
        steps = plugins.load("tasks", name).steps(settings)
        for step, asked in steps.items():
            written_by.check(step, *asked)
        hashes[name] = written_by.hash(steps)
    engine = config.engine.model_dump(mode="json", include={"model", "revision", "sampling", "chat_template_kwargs"})
    return Map(
        name="generate",
        does="let the model write",
        after=(after,),
        writes=PAIRS,
        settings={"engine": engine, "templates": hashes, **plugins.sources("tasks", config.tasks)},
        open=partial(_open, config=config, written_by=written_by, hashes=hashes),
        gpus=config.engine.gpus,
        fn=generate,
        rows_ahead=lambda generator: 2 * generator.slots.limit(),
        judge=partial(within_budget, most=config.max_failed),
    )


@contextlib.contextmanager
def _open(
    workspace: Workspace, *, config: Config, written_by: prompts.Prompts, hashes: dict[str, str]
) -> Iterator[Generator]:
    def answered(response: Response, fresh: bool) -> None:
        tokens = {"prompt_tokens": response.prompt_tokens, "cached_tokens": response.cached_tokens}
        tokens |= {"output_tokens": response.output_tokens}
        # Tokens of an answer out of the journal were computed by another run.
        workspace.progress.advance(0, 0, requests=1, replayed=int(not fresh), **(tokens if fresh else {}))

    kind = plugins.load("engines", config.engine.kind)
    with workspace.keep(journal.FILE) as kept, kind.open(config.engine) as engine:
        answers = journal.Journal(kept)
        line = Line(engine, config.engine, written_by, answers, workspace.stop, answered, config.seed)  # type: ignore[arg-type]
        most = config.engine.in_flight  # type: ignore[attr-defined]
        slots = Slots(lambda: min(most or engines.capacity(engine), engines.capacity(engine)))
        yield Generator(config, line, slots, workspace.progress, hashes)
        workspace.progress.advance(0, 0, **engines.counters(engine))


async def generate(plans: pa.Table, generator: Generator) -> pa.Table:
    """Turn planned rows (schemas.PLAN) into pairs (schemas.PAIRS), in the same order, whatever order answers come in.

    Asked to stop, it begins no row, lets those under way have the answer they wait for, and raises Stopped.
    """
    writing: list[asyncio.Task[dict[str, Any] | None]] = []
    stop = generator.line.stop
    try:
        async with asyncio.TaskGroup() as group:
            for row in plans.to_pylist():
                # In order, one after the other: rows of a passage run close together, while the cache holds its tokens.
                await generator.slots.acquire()
                if stop.requested:
                    generator.slots.release()
                    break
                writing.append(group.create_task(_write(row, generator)))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the others are the same engine, dying for other rows
    rows = [row for task in writing if (row := task.result()) is not None]
    if len(rows) < plans.num_rows:
        raise stop.error()
    return table(PAIRS, rows)


async def _write(row: dict[str, Any], generator: Generator) -> dict[str, Any] | None:
    """Write one row; null when it was stopped between two questions."""
    task, settings = plugins.load("tasks", row["task"]), generator.config.tasks[row["task"]]
    ask = RowAsk(generator.line, row["seed"], row["passage_id"])
    pair, status, reason, detail = Pair(query="", positive=row["passage"], written=()), OK, None, None
    try:
        pair = await task.write(row, settings, ask)
    except Unanswered as end:
        status, reason, detail = end.status, end.reason, end.detail
    except Unusable as end:
        status, reason, detail = REJECTED, end.reason, end.detail
    except Stopped:
        return None
    finally:
        generator.slots.release()
    _judge(generator, status, reason, detail)
    generator.trace(row, ask.asked)
    wordings = task.INSTRUCTIONS
    # A passage is used from its first row on, so what its rows share is counted once.
    paid = [one for one in ask.asked if not one.shared or row["ordinal"] == 0]
    return {
        **row,
        "instruction": pair.instruction or wordings[stable_seed("instruction", row["id"]) % len(wordings)],
        "query": pair.query,
        "positive": pair.positive,
        "positive_language": pair.positive_language or row["passage_language"],
        "written_negatives": pair.negatives,
        "written": pair.written,
        "type": pair.type,
        "difficulty": pair.difficulty,
        "persona": pair.persona,
        "label": pair.label,
        "similarity": pair.similarity,
        "written_similarities": pair.negative_similarities,
        "templates": generator.templates[row["task"]],
        "model": generator.line.settings.model,
        "examples": ask.examples,
        "requests": ask.keys,
        "asked": len(paid),
        "prompt_tokens": sum(one.response.prompt_tokens for one in paid),
        "cached_tokens": sum(one.response.cached_tokens for one in paid),
        "output_tokens": sum(one.response.output_tokens for one in paid),
        "status": status,
        "reason": reason,
        "detail": detail,
    }


def _judge(generator: Generator, status: str, reason: str | None, detail: str | None) -> None:
    generator.rows += 1
    if status == FAILED:
        generator.failed += 1
        generator.last_failure = f"{reason}: {detail}"
    generator.progress.advance(1, int(status == OK))
    if generator.rows >= MIN_ROWS_TO_JUDGE and generator.failed > generator.config.max_failed * generator.rows:
        most = generator.config.max_failed
        raise _over_budget(generator.failed, generator.rows, most, f"the last one with {generator.last_failure}")


def within_budget(counts: Mapping[str, int], *, most: float) -> None:
    """Raise BudgetError when more than the share `most` of all rows failed, however few there are."""
    failed = {name: number for name, number in counts.items() if name.startswith(f"{FAILED}/")}
    rows = sum(counts.values())
    if sum(failed.values()) > most * rows:
        raise _over_budget(sum(failed.values()), rows, most, ", ".join(f"{name} {n}" for name, n in failed.items()))


def _over_budget(failed: int, rows: int, most: float, how: str) -> BudgetError:
    return BudgetError(
        f"{failed:,} of {rows:,} rows failed in the engine, {how}",
        fix="mend the cause and run again with --retry-failed (what was answered is kept), "
        f"or raise `max_failed` ({most:g})",
    )
