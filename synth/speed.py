"""What a run costs and how fast it goes, per accepted row: the figures that GPU hours are judged by.

Wall time is no part of a dataset, which must be the same however long it took: so these are worked out from stats.json
and timings.jsonl when somebody asks.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from synth import timings
from synth.pipeline import Pipeline


@dataclass(frozen=True)
class Speed:
    """Of a finished run. Tokens and requests are those of all rows that were asked for, divided by the accepted ones."""

    rows: int
    requests_per_row: float
    prompt_tokens_per_row: float
    """As sent."""
    computed_tokens_per_row: float
    """Of the prompts, without those that the prefix cache had."""
    output_tokens_per_row: float
    rows_per_hour: float | None
    """Of all stages' wall time, sessions that were stopped included."""
    rows_per_generate_hour: float | None
    """Of the time of `generate` alone."""
    prefix_cache_hit_rate: float | None
    """By the engine's own counters, in its last session; null where it has none or was not asked."""

    def __str__(self) -> str:
        parts = [f"{self.rows_per_hour:,.0f} rows/h"] if self.rows_per_hour else []
        if self.rows_per_generate_hour:
            parts.append(f"{self.rows_per_generate_hour:,.0f} per hour of generate")
        parts.append(
            f"per row {self.requests_per_row:.1f} requests, {self.computed_tokens_per_row:,.0f} prompt tokens computed "
            f"of {self.prompt_tokens_per_row:,.0f}, {self.output_tokens_per_row:,.0f} written"
        )
        if self.prefix_cache_hit_rate is not None:
            parts.append(f"prefix cache {self.prefix_cache_hit_rate:.0%}")
        return "; ".join(parts)


def of(pipeline: Pipeline, run: Path) -> Speed | None:
    """Return the figures of a finished run; null when it wrote nothing."""
    stats = json.loads((run / pipeline.publish.folder / "stats.json").read_text(encoding="utf-8"))
    rows = int(stats["rows"])
    if not rows:
        return None
    spent = {name: sum(by_task.values()) for name, by_task in stats["spent"].items()}
    seconds = {stage.name: timings.seconds(run, stage) for stage in pipeline.stages}
    counted = timings.read(run).get(pipeline.generate.fingerprint, {})
    looked = counted.get("prefix_cache_queries", 0)
    return Speed(
        rows=rows,
        requests_per_row=spent["requests"] / rows,
        prompt_tokens_per_row=spent["prompt_tokens"] / rows,
        computed_tokens_per_row=(spent["prompt_tokens"] - spent["cached_tokens"]) / rows,
        output_tokens_per_row=spent["output_tokens"] / rows,
        rows_per_hour=_an_hour(rows, sum(seconds.values())),
        rows_per_generate_hour=_an_hour(rows, seconds["generate"]),
        prefix_cache_hit_rate=counted["prefix_cache_hits"] / looked if looked else None,
    )


def _an_hour(rows: int, seconds: float) -> float | None:
    return 3600 * rows / seconds if seconds else None
