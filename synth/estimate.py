"""What a run would ask, before any engine is there: rows, requests, tokens, and the time at a given or measured speed."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import plugins, prompts, schemas, store, timings, weights
from synth.ask import Line, RowAsk
from synth.config import Config
from synth.engines import Response, scripted
from synth.passages import estimate_tokens
from synth.pipeline import Pipeline
from synth.stage import Stage
from synth.stages import personas, plan

SAMPLE = 200
"""Rows that are rendered to count tokens: enough for a mean within a few per cent."""
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


def estimate(config: Config, pipeline: Pipeline, run: Path, tokens_per_second: float | None) -> Estimate:
    """Plan every passage of the finished corpus stage, and render a sample of the rows to count what they would cost."""
    library = personas.library(config.personas)[: config.personas.candidates]
    counts: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    rows = 0
    sample: list[dict[str, Any]] = []
    for passages in store.read_parts(run, pipeline.corpus):
        counts.update(schemas.counts(passages))
        planned = plan.plan(_with_personas(passages, library), None, config=config)
        rows += planned.num_rows
        languages.update(planned.column("query_language").to_pylist())
        sample += planned.to_pylist()
        sample = sorted(sample, key=lambda row: row["id"])[:SAMPLE]  # ids are hashes: the lowest are a fair draw
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
            f"not known; {name}: published {pace:,.0f} tokens/s would take {total / pace / 3600:,.2f} h",
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
    )


def _with_personas(passages: pa.Table, library: Sequence[str]) -> pa.Table:
    """Stand-ins of the right length: which personas are nearest takes an embedder, and changes no count."""
    return passages.append_column(
        "personas", pa.array([list(library)] * passages.num_rows, pa.list_(pa.string()))
    ).append_column("embedding", pa.array([[]] * passages.num_rows, pa.list_(pa.float16())))


class _Nowhere:
    """A journal that remembers nothing."""

    def get(self, key: str) -> None:
        return None

    async def put(self, key: str, response: Response) -> None:
        return None


def _ask_sample(config: Config, sample: list[dict[str, Any]], count: Callable[[str], int]) -> tuple[int, int, int]:
    """Write the sample with the scripted engine; return its requests, prompt tokens and output tokens."""
    engine = scripted.ScriptedEngine(scripted.Settings(kind="scripted"))
    line = Line(engine, config.engine, prompts.load(config.prompts), _Nowhere())  # type: ignore[arg-type]
    asks = []

    async def write_all() -> None:
        for row in sample:
            ask = RowAsk(line, row["seed"])
            await plugins.load("tasks", row["task"]).write(row, config.tasks[row["task"]], ask)
            asks.append(ask)

    asyncio.run(write_all())
    asked = [asked for ask in asks for asked in ask.asked]
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
            return estimate_tokens, "estimated from the script"
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return lambda text: len(tokenizer.encode(text).ids), "counted with the model's tokenizer"
    return estimate_tokens, "estimated from the script"


def _measured(run: Path, generate: Stage) -> dict[str, Any] | None:
    """Return what the newest finished stage with these settings measured, on however much, if it asked an engine at all."""
    found = [
        t
        for t in timings.read(run).values()
        if t.get("settings") == timings.settings_of(generate) and t.get("requests", 0) > t.get("replayed", 0)
    ]
    return max(found, key=lambda t: float(t["finished"])) if found else None
