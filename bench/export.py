"""Does the memory of an export grow with rows? Peak of a process for each size and format; rows are made up as they are read.

python -m bench.export [--rows 20000 200000] [--formats beir swift_embedding]
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synth import plugins
from synth.exporting import _Files, _write
from synth.exports import Options


def rows(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows with a passage and five negatives of some 1,500 characters each, all of them different."""
    for at in range(number):
        passage, *negatives = (f"{at}-{part} " + "a passage of a corpus " * 68 for part in range(6))
        yield "train", {
            "id": f"{at:032x}", "task": "retrieval", "instruction": "Find it", "query": f"what is {at}", "positive": passage,
            "negatives": negatives, "negative_ids": [f"{at:028x}-{part}" for part in range(5)], "passage_id": f"p{at:031x}",
            "rank": 1, "label": "", "query_language": "en",
        }  # fmt: skip


def one(name: str, number: int) -> None:
    form = plugins.load("exports", name)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, _Files(Path(folder), getattr(form, "TABLES", {})) as files:
        _write(form, name, Path(folder), rows(number), files, Options(negatives=5), ())
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = number / (time.perf_counter() - start)
    print(f"| {name} | {number:,} | {size / 1e6:,.0f} | {peak:,.0f} | {rate:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--formats", nargs="+", default=["beir", "swift_embedding"])
    parser.add_argument("--one", nargs=2)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one[0], int(asked.one[1]))
        return
    print("| format | rows | MB written | peak MB | rows/s |\n|---|---:|---:|---:|---:|", flush=True)
    for name in asked.formats:
        for number in asked.rows:
            subprocess.run([sys.executable, "-m", "bench.export", "--one", name, str(number)], check=True)


if __name__ == "__main__":
    main()
