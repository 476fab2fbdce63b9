"""Whether memory grows with requests: peak RSS of the stage generate at two sizes, one ten times the other.

    python -m bench.memory [--sizes 100000 1000000] [--shard 10] [--folder outputs/bench-memory]

Each passage is asked `ROWS` one-step questions (bench/onestep) of the scripted engine, with the journal on; shards are of
so many passages, at any size. Passages and plans are made in a process before, so that `generate` has a process of its own: its peak is
VmHWM of /proc/self/status, and its RSS is noted at each tenth of its rows. Linux only.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import texts
from synth import config, pipeline
from synth.executors import local
from synth.progress import shown
from synth.stage import Progress, Stage

HERE = Path(__file__).parent
WORDS = 100
ROWS = 100
"""Of a passage: one of few shards and many requests, so that the stages before take no time."""
SAMPLES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of `generate` at two sizes.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000], help="requests")
    parser.add_argument("--shard", type=int, default=10, help="passages of a shard")
    parser.add_argument("--folder", type=Path, default=Path("outputs/bench-memory"))
    parser.add_argument("--child", choices=["before", "generate"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.child, given.folder, given.sizes[0], given.shard)))
        return
    taken = []
    for size in given.sizes:
        texts.write(given.folder / f"{size}.jsonl", size // ROWS, WORDS)
        apart("before", given.folder, size, given.shard)
        taken.append(apart("generate", given.folder, size, given.shard))
    show(taken)


def apart(what: str, folder: Path, size: int, shard: int) -> dict[str, Any]:
    """Run a part of the pipeline in a process of its own; return what it says of itself."""
    command = [sys.executable, "-m", "bench.memory", "--child", what, "--sizes", str(size), "--shard", str(shard)]
    process = subprocess.run([*command, "--folder", str(folder)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def child(what: str, folder: Path, size: int, shard: int) -> dict[str, Any]:
    chosen = settings(folder, size, shard)
    built = pipeline.build(chosen)
    if what == "before":
        with shown() as display:
            local.run(built.stages[: built.stages.index(built.generate)], chosen.folder, display)
        return {}
    if (chosen.folder / built.generate.folder).exists():
        raise SystemExit(f"{chosen.folder}: generate has run there already: remove the folder to measure anew")
    bars: list[Bar] = []

    @contextmanager
    def display(_: Stage, total: int | None) -> Iterator[Progress]:
        bars.append(Bar(total or 0))
        yield bars[-1]

    at_start, started = memory(), time.monotonic()
    local.run([built.generate], chosen.folder, display)
    return {
        "requests": bars[0].requests,
        "seconds": time.monotonic() - started,
        "start": at_start["VmRSS"],
        "peak": memory()["VmHWM"],
        "samples": bars[0].samples,
        "journal": sum(file.stat().st_size for file in (chosen.folder / "responses").iterdir()),
    }


@dataclass
class Bar:
    """A display that draws nothing, and looks at memory at each tenth of the rows."""

    total: int
    rows: int = 0
    requests: float = 0
    samples: list[int] = field(default_factory=list)
    totals: dict[str, float] = field(default_factory=dict)

    def advance(self, rows: int, ok: int, **totals: float) -> None:
        self.rows += rows
        self.requests += totals.get("requests", 0)
        if self.rows * SAMPLES >= (len(self.samples) + 1) * self.total:
            self.samples.append(memory()["VmRSS"])
            print(f"  {self.rows:,} rows, RSS {self.samples[-1] / 2**20:,.0f} MiB", file=sys.stderr, flush=True)


def memory() -> dict[str, int]:
    """Return the bytes that the kernel counts for this process, by its own names: VmRSS is now, VmHWM the most so far."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return {name: int(kib) * 1024 for name, kib in re.findall(r"^(Vm\w+):\s+(\d+) kB$", status, re.MULTILINE)}


def settings(folder: Path, size: int, shard: int) -> config.Config:
    return config.Config.model_validate(
        {
            "name": f"run-{size}",
            "outputs": str(folder),
            "corpus": {
                "path": str(folder / f"{size}.jsonl"),
                "columns": {"text": "text", "id": "id", "language": "language"},
            },
            "tasks": {"bench.onestep": {"rows_per_passage": ROWS}},
            "prompts": str(HERE / "onestep/prompts"),
            "engine": {"kind": "scripted", "in_flight": 512},
            "embedder": {"kind": "hashing", "dimensions": 64},
            "shard_rows": shard,
        }
    )


def show(taken: list[dict[str, Any]]) -> None:
    mib = 2**20
    print(
        "| requests | at the start, MiB | RSS at each tenth, MiB | peak, MiB | of the first | requests/s | journal, bytes/answer |"
    )
    print("|---|---|---|---|---|---|---|")
    for one in taken:
        print(
            f"| {one['requests']:,.0f} | {one['start'] / mib:,.0f} | "
            f"{' '.join(f'{sample / mib:,.0f}' for sample in one['samples'])} | {one['peak'] / mib:,.0f} "
            f"| {one['peak'] / taken[0]['peak']:.2f} | {one['requests'] / one['seconds']:,.0f} "
            f"| {one['journal'] / one['requests']:,.0f} |"
        )


if __name__ == "__main__":
    main()
