"""What a row costs in each stage: bytes on disk, seconds of CPU, and memory where a stage holds something per row.

    python -m bench.scale [--passages 2000 8000] [--words 150] [--folder outputs/bench-scale]

The whole pipeline runs at two sizes, each in a process of its own, with the scripted engine and the hashing embedder at the
1,024 dimensions of Qwen3-Embedding-0.6B. A coefficient is the difference between the two, so that start-up falls out of it.
What a model costs is not in it, neither the LLM nor a real embedder. Then three things that this does not show:

- the exact search of `score`, which grows with passages times queries, in GFLOP/s;
- near-copies, which `index` and `clusters` hold in memory: seconds and bytes per text at two sizes;
- prompts: their length, and how much of it an engine's prefix cache could have seen before.

The tables go to stdout, as docs/scale.md has them. Linux only.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench import texts
from bench.memory import memory
from synth import config, pipeline, plugins, prompts, store
from synth.ask import Line, RowAsk
from synth.engines import scripted
from synth.estimate import Nowhere
from synth.executors import local
from synth.index import INDEX, PassageIndex
from synth.minhash import NearCopies
from synth.passages import estimate_tokens
from synth.progress import shown
from synth.stage import Fold, Source, Stage

SHARD = 500
"""Passages."""
DIMENSIONS = 1024
ROWS = 4
"""Of a passage, as in configs/qwen3-32b.yaml."""
SAMPLE = 200
"""Rows whose prompts are looked at."""
QUERIES, SEARCHED = 2048, 100_000
"""Queries and passages of the look at the search."""


@dataclass(frozen=True)
class Cost:
    """Of one stage, or of one thing that is measured by itself."""

    name: str
    kind: str
    per: str
    rows: int
    """Read, by a fold; written, by others."""
    disk: int
    cpu: float
    """Seconds, user and system, of all threads."""
    seconds: float
    grown: int
    """Bytes by which the peak RSS of this stage is above what there was when it began."""
    ok: int


def main() -> None:
    parser = argparse.ArgumentParser(description="What a row costs in each stage.")
    parser.add_argument("--passages", type=int, nargs=2, default=[2000, 8000])
    parser.add_argument("--texts", type=int, nargs=2, default=[50_000, 200_000], help="of the look at near-copies")
    parser.add_argument("--words", type=int, default=150, help="of a passage")
    parser.add_argument("--folder", type=Path, default=Path("outputs/bench-scale"))
    parser.add_argument("--child", choices=list(CHILDREN), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps([asdict(cost) for cost in CHILDREN[given.child](given.folder, given.passages[0])]))
        return
    for number in given.passages:
        texts.write(given.folder / f"{number}.jsonl", number, given.words)
    small, large = (apart("stages", given.folder, number) for number in given.passages)
    show(small, large)
    few, many = (apart("copies", given.folder, number)[0] for number in given.texts)
    print(
        f"\nnear-copies of {few.rows:,} and {many.rows:,} short texts: {few.cpu / few.rows * 1e3:.2f} and "
        f"{many.cpu / many.rows * 1e3:.2f} CPU-s per 1,000; {(many.grown - few.grown) / (many.rows - few.rows):,.0f} "
        "bytes a text"
    )
    (found,) = apart("search", given.folder, SEARCHED)
    flop = 2 * DIMENSIONS * found.rows
    (asked,) = apart("prompts", given.folder, given.passages[0])
    print(
        f"prompts: {asked.disk / asked.rows:,.0f} tokens (estimated); {asked.ok / asked.disk:.1%} of them "
        "begin a prompt as an earlier one began"
    )
    print(f"exact search: {flop / found.seconds / 1e9:,.0f} GFLOP/s, {flop / found.cpu / 1e9:,.0f} per CPU-second")


def apart(what: str, folder: Path, number: int) -> list[Cost]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "bench.scale", "--child", what, "--folder", str(folder)]
    process = subprocess.run([*command, "--passages", str(number), "0"], check=True, stdout=subprocess.PIPE, text=True)
    return [Cost(**cost) for cost in json.loads(process.stdout)]


def measured(work: Callable[[], Any]) -> tuple[float, float, int]:
    """Return seconds of CPU, seconds, and the bytes by which RSS grew at its peak."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    before, cpu, started = memory()["VmRSS"], time.process_time(), time.monotonic()
    work()
    return time.process_time() - cpu, time.monotonic() - started, memory()["VmHWM"] - before


def stages(folder: Path, passages: int) -> list[Cost]:
    chosen = settings(folder, passages)
    if chosen.folder.exists():
        raise SystemExit(f"{chosen.folder}: is there already: remove the folder to measure anew")
    found = []
    with shown() as display:
        for stage in pipeline.build(chosen).stages:
            taken = measured(partial(local.run, [stage], chosen.folder, display))
            manifest = store.finished(chosen.folder / stage.folder, stage)
            rows = number_of_rows(chosen.folder, stage.after[0] if isinstance(stage, Fold) else stage)
            per = "passage" if isinstance(stage, Source) or stage.name in ("personas", "index") else "row"
            disk = sum(file.bytes for file in manifest.files)
            kind = type(stage).__name__.lower()
            found.append(Cost(stage.name, kind, per, rows, disk, *taken, manifest.counts.get("ok", 0)))
            if stage.name == "generate":
                journal = sum(file.stat().st_size for file in (chosen.folder / "responses").iterdir())
                requests = sum(
                    sum(map(len, rows.column("requests").to_pylist()))
                    for rows in store.read_parts(chosen.folder, stage, ["requests"])
                )
                found.append(Cost("journal", "file", "answer", requests, journal, 0, 0, 0, 0))
    return found


def number_of_rows(run: Path, stage: Stage) -> int:
    return sum(file.rows for file in store.finished(run / stage.folder, stage).parts)


def settings(folder: Path, passages: int) -> config.Config:
    return config.Config.model_validate(
        {
            "name": f"run-{passages}",
            "outputs": str(folder),
            "corpus": {
                "path": str(folder / f"{passages}.jsonl"),
                "columns": {"text": "text", "id": "id", "language": "language"},
            },
            "tasks": {"retrieval": {"rows_per_passage": ROWS}},
            "engine": {"kind": "scripted", "in_flight": 512},
            "embedder": {"kind": "hashing", "dimensions": DIMENSIONS},
            # Negatives are to be mined for all rows, also for those whose passage is not the nearest to such an embedder.
            "score": {"max_rank": None},
            "shard_rows": SHARD,
        }
    )


def copies(folder: Path, number: int) -> list[Cost]:
    """Time what `clusters` does with queries of 12 words."""
    short = [" ".join(text.split()[:12]) for text in texts.passages(number, 12)]

    def work() -> None:
        near = NearCopies(0.7, 4)
        for at in range(0, number, 4000):
            near.add(short[at : at + 4000])
        near.labels()

    return [Cost("near-copies", "part", "text", number, 0, *measured(work), 0)]


def search(folder: Path, passages: int) -> list[Cost]:
    """Time the search of some queries among random passages; `rows` of the cost is queries times passages."""
    draw = np.random.default_rng(1)
    unit = draw.standard_normal((passages, DIMENSIONS), np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    names = pa.array([f"{at:020d}" for at in range(passages)])
    rows = pa.table([names] * len(INDEX), names=INDEX.names).cast(INDEX)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, INDEX) as out:
        out.write_table(rows)
    none = np.zeros(passages, np.int32), np.zeros(0, [("key", np.uint64), ("row", np.int64)]), np.zeros(1, bool)
    index = PassageIndex(pa.ipc.open_file(sink.getvalue()), unit.astype(np.float16), np.arange(passages), *none)
    taken = measured(partial(index.search, unit[:QUERIES], np.arange(QUERIES), 100))
    return [Cost("search", "part", "pair", QUERIES * passages, 0, *taken, 0)]


def rendered(folder: Path, passages: int) -> list[Cost]:
    """Render the prompts of `SAMPLE` rows; `disk` of the cost is their tokens, `ok` those that begin a prompt as an earlier
    one began: what a prefix cache saves that forgets nothing and knows no blocks."""
    chosen = settings(folder, passages)
    built = pipeline.build(chosen)
    planned = next(store.read_parts(chosen.folder, built.plan)).slice(0, SAMPLE).to_pylist()
    engine = scripted.ScriptedEngine(scripted.Settings(kind="scripted"))
    line = Line(engine, chosen.engine, prompts.load(chosen.prompts), Nowhere())  # type: ignore[arg-type]
    task = plugins.load("tasks", "retrieval")
    seen: list[str] = []
    tokens = shared = 0

    async def write(row: dict[str, Any]) -> list[str]:
        ask = RowAsk(line, row["seed"])
        await task.write(row, chosen.tasks["retrieval"], ask)
        return ["\0".join(message.content for message in one.request.messages) for one in ask.asked]

    for row in planned:
        for text in asyncio.run(write(row)):
            tokens += estimate_tokens(text)
            at = bisect(seen, text)  # of sorted texts, a neighbour begins most like it
            shared += estimate_tokens(text[: max(map(partial(common, text), seen[max(0, at - 1) : at + 1]), default=0)])
            seen.insert(at, text)
    return [Cost("prompts", "part", "request", len(seen), tokens, 0, 0, 0, shared)]


def common(one: str, other: str) -> int:
    """Return how many characters two texts begin alike with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


CHILDREN: Mapping[str, Callable[[Path, int], list[Cost]]] = {
    "stages": stages,
    "copies": copies,
    "search": search,
    "prompts": rendered,
}


def show(small: list[Cost], large: list[Cost]) -> None:
    print(f"{os.cpu_count()} cores; {small[0].rows:,} and {large[0].rows:,} passages, {ROWS} rows of each\n")
    print("| stage | per | bytes on disk | CPU-s per 1,000, by the difference | small size alone |")
    print("|---|---|---|---|---|")
    for one, two in zip(small, large, strict=True):
        more = max(1, two.rows - one.rows)
        cpu = [f"{(two.cpu - one.cpu) / more * 1e3:.2f}", f"{one.cpu / max(1, one.rows) * 1e3:.2f}"]
        cells = ["", ""] if two.kind == "file" else cpu
        print(f"| {two.name} | {two.per} | {(two.disk - one.disk) / more:,.0f} | {' | '.join(cells)} |")
    print("\nin the running: " + ", ".join(f"{two.name} {two.ok:,}" for two in large if two.ok))


if __name__ == "__main__":
    main()
