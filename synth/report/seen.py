"""All that the report is about, gathered from a finished run: counts, thresholds, times, and a sample of rows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import accounts, earlier, pipeline, releases, speed, store, timings
from synth.accounts import Account
from synth.config import Config
from synth.figures import Step, funnel
from synth.pipeline import Pipeline
from synth.report import pace
from synth.report.counts import COLUMNS, Counts
from synth.report.pace import Pace
from synth.report.samples import Place, Sampler
from synth.schemas import annotate
from synth.speed import Speed
from synth.stages.quota import SURPLUS

OVER = "over_target"


@dataclass(frozen=True)
class Seen:
    name: str
    """What the report is of, as its title says."""
    config: Config
    pipeline: Pipeline
    run: Path
    account: Account
    steps: list[Step]
    """Of the funnel, from the planned rows on, to what was written."""
    before: list[Step]
    """Of passages, before anything was planned."""
    counts: Counts
    cutoffs: Mapping[str, float | None]
    """Cosine to reach, by task."""
    pace: list[Pace]
    seconds: Mapping[str, float]
    """Of each stage, all sessions together."""
    generated: Mapping[str, Any]
    """The newest line of timings.jsonl about `generate`."""
    speed: Speed | None
    stats: Mapping[str, Any]
    places: list[Place]
    """The sample, what matters most first."""
    surplus: frozenset[str]
    """Rows beyond their target."""

    @property
    def finished(self) -> float | None:
        """When its last stage was, in seconds since 1970."""
        return max((entry["finished"] for entry in timings.entries(self.run) if "finished" in entry), default=None)


def see(config: Config, rows: int) -> Seen:
    """Look at a finished run, and choose so many rows; of a dataset that grows, at its newest release. Raises StoreError when
    it is not finished, or damaged."""
    name = config.name
    if done := earlier.releases(config.folder):
        name, run = f"{name}, release {len(done)}", done[-1].folder
        config, built = releases.described(done[-1])
    else:
        run, built = config.folder, pipeline.build(config)
    account = accounts.balanced(built, run)
    stats = json.loads((run / built.publish.folder / "stats.json").read_text(encoding="utf-8"))
    surplus = frozenset(store.read_part(run / built.quota.folder / SURPLUS).column("id").to_pylist())
    counts, sampler = Counts(), Sampler(rows)
    counts.group(store.read_part(run / built.clusters.folder / "clusters.parquet"))
    for part, shard in enumerate(_rows(run, built, surplus)):
        counts.add(shard)
        sampler.add(part, shard)
    before, steps = _steps(built, run, account)
    ends = pace.finished(run, built.generate)
    return Seen(
        name=name, config=config, pipeline=built, run=run, account=account, steps=steps, before=before, counts=counts,
        cutoffs=json.loads((run / built.cutoff.folder / "cutoff.json").read_text(encoding="utf-8")),
        pace=pace.over_time(pace.sessions(run, built.generate), ends, counts.parts),
        seconds={stage.name: timings.seconds(run, stage) for stage in built.stages},
        generated=timings.read(run).get(built.generate.fingerprint, {}),
        speed=speed.of(built, run), stats=stats, places=sampler.places(), surplus=surplus,
    )  # fmt: skip


def _rows(run: Path, built: Pipeline, surplus: frozenset[str]) -> Iterator[pa.Table]:
    for shard in store.read_parts(run, built.negatives, COLUMNS):
        if surplus:
            shard = annotate(shard, (OVER if name in surplus else None for name in shard.column("id").to_pylist()))
        yield shard


def _steps(built: Pipeline, run: Path, account: Account) -> tuple[list[Step], list[Step]]:
    """Return the funnel of passages, and that of rows from plan to dataset."""
    stages = [stage for stage in built.stages if stage not in (built.publish, built.quota)]
    steps = funnel(store.finished(run / stage.folder, stage) for stage in stages)
    planned = next(at for at, step in enumerate(steps) if step.stage == built.plan.name)
    over = {OVER: account.rejected[OVER]} if OVER in account.rejected else {}
    written = Step("written", steps[-1].rows_out, account.written, over, {})
    return steps[:planned], [*steps[planned:], written]
