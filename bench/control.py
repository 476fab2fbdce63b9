"""Is it the queries that a model learns from, or only the passages? The rows of a dataset of Python functions once more, each
with its function's name, as words, in place of the query.

    python bench/control.py outputs/recipe-stdlib/dataset outputs/recipe-control/dataset
    python recipes/small/train.py outputs/recipe-control/dataset --questions outputs/recipes/stdlib --out outputs/recipes/control
"""

import re
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def convert(source: Path, target: Path) -> int:
    """Write the split `train` with names as queries; a row without a function is left out. Returns its rows."""
    table = pq.read_table(sorted(source.glob("data/train-*.parquet")))
    named = [row | {"query": query} for row in table.to_pylist() if (query := name(row["positive"]))]
    (target / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(named, schema=table.schema), target / "data" / "train-00000-of-00001.parquet")
    return len(named)


def name(code: str) -> str:
    """Return the name of a function as words: `parse header` of `_parseHeader` and of `parse_header`."""
    found = re.search(r"def\s+(\w+)", code)
    return " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", found[1])).lower() if found else ""


if __name__ == "__main__":
    print(convert(Path(sys.argv[1]), Path(sys.argv[2])), "rows")
