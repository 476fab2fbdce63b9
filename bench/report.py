"""How long a report takes, and what it needs: a small scripted run, whose rows are multiplied with ids and texts of their own.

    python -m bench.report [--rows 100000] [--samples 1000]

Two sides in one go: a tenth of the rows, and all of them. Prompts and answers are those of the small run, found in its journal.
The peak is that of the process (ru_maxrss), which does each side in a process of its own.
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import config, pipeline, report, runs, store
from synth.config import Config
from synth.progress import shown
from synth.schemas import stable_id

SHARD = 1000
RUN: dict[str, Any] = {
    "name": "toy",
    "corpus": {
        "path": "examples/corpus/documents.jsonl",
        "columns": {"text": "text", "id": "id", "title": "title", "language": "language"},
        "licence": "CC0-1.0",
    },
    "tasks": {"retrieval": {"rows_per_passage": 2}, "sts": {}},
    "engine": {"kind": "scripted", "junk": 0.1},
    "embedder": {"kind": "hashing"},
    "score": {"max_rank": 3, "min_cosine": 0.12},
}


def multiply(run: Config, rows: int) -> None:
    """Make so many rows of those of a finished run, in shards of SHARD, and let its manifests say so."""
    built = pipeline.build(run)
    whole = pa.concat_tables(store.read_parts(run.folder, built.negatives))
    files, counts = [], dict[str, int]()
    for part in range(rows // SHARD):
        taken = whole.take(pa.array([(part * SHARD + at) % whole.num_rows for at in range(SHARD)]))
        queries, negatives = (taken.column(name).to_pylist() for name in ("query", "negatives"))
        columns = {
            "id": [stable_id("copy", part, at) for at in range(SHARD)],
            "query": [f"{query} {part}-{at}" if query else "" for at, query in enumerate(queries)],
            "positive": [f"Text {part}-{at} says much of its own. " * 25 for at in range(SHARD)],
            "negatives": [[f"{text} {part}-{at}" for text in texts] for at, texts in enumerate(negatives)],
        }
        for name, values in columns.items():
            at = taken.schema.get_field_index(name)
            taken = taken.set_column(at, taken.schema.field(at), pa.array(values, taken.schema.field(at).type))
        files.append(store.write_part(run.folder / built.negatives.folder, part, taken))
        for fate, number in files[-1].counts.items():
            counts[fate] = counts.get(fate, 0) + number
    published = {("train" if fate == "ok" else fate): number for fate, number in counts.items()}
    rest = (built.generate, built.filter, built.score, built.select, built.dedup)
    said = [
        (built.plan, {"ok": sum(counts.values())}),
        (built.publish, published),
        *((stage, counts) for stage in rest),
    ]
    store.finish(run.folder / built.negatives.folder, built.negatives, counts, files)
    for stage, numbers in said:
        made = store.finished(run.folder / stage.folder, stage)
        store.finish(run.folder / stage.folder, stage, numbers, made.files)


def measure(small: Config, folder: Path, rows: int, samples: int) -> str:
    large = _settings(folder)
    shutil.copytree(small.folder, large.folder)
    multiply(large, rows)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found, peak = pool.apply(_report, (folder, samples))
    return f"{rows:,} rows: {found['bytes'] / 1e6:.1f} MB, {found['samples']:,} to read, {found['seconds']} s, peak {peak:,.0f} MB"


def _settings(outputs: Path) -> Config:
    return config.parse(Config, {**RUN, "outputs": str(outputs)}, where="")


def _report(outputs: Path, samples: int) -> tuple[dict[str, Any], float]:
    found = report.report(_settings(outputs), rows=samples)
    return vars(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = _settings(Path(folder) / "small")
        with shown() as display:
            runs.run(small, display)
        for rows in (given.rows // 10, given.rows):
            print(measure(small, Path(folder) / str(rows), rows, given.samples))


if __name__ == "__main__":
    main()
