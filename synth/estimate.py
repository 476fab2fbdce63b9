"""What a run would ask, before any engine is there: rows, requests, tokens, and the time at a given or measured speed."""

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth import census, earlier, plugins, prompts, rounds, schemas, store, timings, weights
from synth.allotment import Allotment
from synth.ask import Line, RowAsk, Unanswered
from synth.census import Census
from synth.config import Config
from synth.engines import Response, scripted
from synth.passages import estimate_tokens
from synth.pipeline import Pipeline
from synth.stage import Stage
from synth.stages import personas, plan
from synth.tasks import Unusable

SAMPLE = 200
"""Rows, at least, that are rendered to count tokens: enough for a mean within a few per cent."""
PUBLISHED = {"Qwen3-32B, BF16, one H100": 2353.0}
"""Published total tokens/s (prompt and output), untuned; for an order of magnitude when nothing was measured."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    passages: int
    rejected_passages: dict[str, int]
    rows: int
    requests: int
    prompt_tokens: int
    """Of all prompts, before the prefix cache: what it saves is not guessed at."""
    output_tokens: int
    tokens_counted_by: str
    output_measured: bool
    seconds: float | None
    speed: str
    """Where the speed behind `seconds` comes from."""
    languages: dict[str, int]
    tasks: dict[str, int]
    target_rows: int
    """Accepted rows that the targets ask for: `rows` are what the first round writes. 0 without targets."""
    without_room: dict[str, int]
    """Cells for which the corpus has too few passages: the most rows they can have, were all accepted."""


def estimate(config: Config, pipeline: Pipeline, run: Path, tokens_per_second: float | None) -> Estimate:
    """Plan every passage of the finished corpus stage, and render a sample of the rows to count what they would cost."""
    counts, groups = _count(pipeline, run)
    order = [rounds.first(config)] if config.targets else []
    known = earlier.planned(earlier.rows([earlier.finished(Path(folder)) for folder in config.known]))
    planner = plan.planner(
        config, groups.census, [rounds.text(1, rows) for rows in order], groups.of, lambda key, language: "…", known
    )
    languages: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    rows = 0
    sample: list[dict[str, Any]] = []
    for shard, passages in enumerate(store.read_parts(run, pipeline.corpus)):
        planned = plan.plan(with_personas(passages, config), planner, 1, shard)
        rows += planned.num_rows
        languages.update(planned.column("query_language").to_pylist())
        tasks.update(planned.column("task").to_pylist())
        # All rows of the passages whose ids, which are hashes, are lowest: a fair draw, and what rows share is seen.
        sample = sorted([*sample, *planned.to_pylist()], key=lambda row: row["passage_id"])
        sample = [row for row in sample if row["passage_id"] <= sample[min(SAMPLE, len(sample)) - 1]["passage_id"]]
    count, counted_by = _counter(config)
    requests, prompt_tokens, output_tokens = _ask_sample(config, sample, count)
    scale = rows / max(1, len(sample))
    measured = _measured(run, pipeline.generate)
    if measured:
        asked = measured["requests"] - measured["replayed"]  # a replayed answer took no time and no tokens
        output_tokens = round(requests * measured["output_tokens"] / asked)
    total = (prompt_tokens + output_tokens) * scale
    if tokens_per_second:
        seconds, speed = total / tokens_per_second, f"{tokens_per_second:,.0f} tokens/s, as given"
    elif measured:
        pace = (measured["requests"] - measured["replayed"]) / measured["seconds"]
        seconds, speed = requests * scale / pace, f"{pace:,.1f} requests/s, measured in this run's folder"
    else:
        name, pace = next(iter(PUBLISHED.items()))
        seconds, speed = (
            None,
            (
                f"not known: give --tokens-per-second (prompts and answers); at {pace:,.0f}, as published for {name}, "
                f"{duration(total / pace)}"
            ),
        )
    return Estimate(
        passages=counts["ok"],
        rejected_passages={name: number for name, number in sorted(counts.items()) if name != "ok"},
        rows=rows,
        requests=round(requests * scale),
        prompt_tokens=round(prompt_tokens * scale),
        output_tokens=round(output_tokens * scale),
        tokens_counted_by=counted_by,
        output_measured=bool(measured),
        seconds=seconds,
        speed=speed,
        languages=dict(sorted(languages.items())),
        tasks=dict(sorted(tasks.items())),
        target_rows=sum(cell.rows for cell in config.cells),
        without_room=_without_room(config, groups.census),
    )


@dataclasses.dataclass(frozen=True)
class _Groups:
    """The corpus' groups of passages, before there is an index."""

    census: Census
    by_id: dict[str, int]

    def of(self, ids: Sequence[str]) -> list[int]:
        return [self.by_id[name] for name in ids]


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _count(pipeline: Pipeline, run: Path) -> tuple[Counter[str], _Groups]:
    counts: Counter[str] = Counter()
    kinds, ids = census.Counts(), list[str]()
    for passages in store.read_parts(run, pipeline.corpus):
        counts.update(schemas.counts(passages))
        running = passages.filter(pc.equal(passages.column("status"), schemas.OK))
        kinds.add(running.select(census.COLUMNS).to_pylist())
        ids += running.column("id").to_pylist()
    found, groups, _ = kinds.result()
    return counts, _Groups(found, dict(zip(ids, groups.tolist(), strict=True)))


def _without_room(config: Config, counts: Census) -> dict[str, int]:
    if not config.targets:
        return {}
    tasks = {name: (settings, plugins.load("tasks", name).SHAPE) for name, settings in config.tasks.items()}
    allotment = Allotment(counts, tasks, config.cells, [])
    room = {cell.name: allotment.room(at) for at, cell in enumerate(config.cells)}
    return {cell.name: room[cell.name] for cell in config.cells if room[cell.name] < cell.rows}


def with_personas(passages: pa.Table, config: Config) -> pa.Table:
    """Stand-ins of the right length: which personas are nearest takes an embedder, and changes no count."""
    library = personas.library(config.personas)[: config.personas.candidates]
    return passages.append_column(
        "personas", pa.array([list(library)] * passages.num_rows, pa.list_(pa.string()))
    ).append_column("embedding", pa.array([[]] * passages.num_rows, pa.list_(pa.float16())))


class Nowhere:
    """A journal that remembers nothing."""

    async def get(self, key: str) -> None:
        return None

    async def put(self, key: str, response: Response) -> None:
        return None


def _ask_sample(config: Config, sample: list[dict[str, Any]], count: Callable[[str], int]) -> tuple[int, int, int]:
    """Write the sample with the scripted engine; return its requests, prompt tokens and output tokens."""
    engine = scripted.ScriptedEngine(scripted.Settings(kind="scripted"))
    line = Line(engine, config.engine, prompts.load(config.prompts), Nowhere())  # type: ignore[arg-type]
    asks = []

    async def write_all() -> None:
        for row in sample:
            # A translation that the corpus has is about as long as the passage.
            row = {**row, "translation": row["translation"] and row["passage"]}
            ask = RowAsk(line, row["seed"])
            with contextlib.suppress(Unanswered, Unusable):  # what was asked by then counts all the same
                await plugins.load("tasks", row["task"]).write(row, config.tasks[row["task"]], ask)
            asks.append(ask)

    asyncio.run(write_all())
    found = {key: asked for ask in asks for key, asked in zip(ask.keys, ask.asked, strict=False)}
    asked = list(found.values())  # what rows share is asked once
    prompt = sum(
        count(message.content) + 4 for one in asked for message in one.request.messages
    )  # 4: a turn's own tokens
    return len(asked), prompt, sum(count(one.response.text) for one in asked)


def _counter(config: Config) -> tuple[Callable[[str], int], str]:
    """Return a token counter: the model's own tokenizer where it is at hand, else an estimate by script."""
    folder = weights.cached(config.engine.model)  # type: ignore[attr-defined]
    if folder and (folder / "tokenizer.json").is_file():
        try:
            from tokenizers import Tokenizer
        except ImportError:
            return estimate_tokens, "estimated by writing system: the package tokenizers is not installed"
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return lambda text: len(tokenizer.encode(text).ids), "counted with the model's tokenizer"
    return estimate_tokens, "estimated by writing system: the model's tokenizer is not on this machine"


def _measured(run: Path, generate: Stage) -> dict[str, Any] | None:
    """Return what the newest finished stage with these settings measured, on however much, if it asked an engine at all."""
    found = [
        t
        for t in timings.read(run).values()
        if t.get("settings") == timings.settings_of(generate) and t.get("requests", 0) > t.get("replayed", 0)
    ]
    return max(found, key=lambda t: float(t["finished"])) if found else None
