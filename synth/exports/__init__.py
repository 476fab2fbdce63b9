"""The dataset in the form that a trainer reads: one module per format; its name is its file name.

A format has
- `READS`: the schema it is made from, DATASET (one row per query) or SCORED_PAIRS;
- `OPTIONS`: which of the options `negatives`, `query` and `scores` it takes;
- `FIXED`, if it has as many negatives as the run mined, unless told otherwise; without it, one;
- `card(files, content)`, if its folder wants a README.md: of the files' names, and a hash of what they hold;
- `lines(row, split, options)`: what a row becomes: (file, object) pairs, or the reason why it is left out.
It is a pure function of one row. What files need together (folders, dedup, counts) is synth/exporting.py.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""A row of schemas.DATASET or schemas.SCORED_PAIRS."""


@dataclass(frozen=True)
class Line:
    """A line of a file. One with a `key` is written once, however many rows have it."""

    file: str
    value: Mapping[str, Any] | Sequence[str | int]
    """An object for JSON lines, a sequence for a table with tabs."""
    key: str = ""


@dataclass(frozen=True)
class Options:
    """What a person may choose."""

    negatives: int = 1
    """How many negatives, where a format can be told; 0 makes pairs, for training on the negatives of the batch alone."""
    query: str = "{query}"
    """How a query is written, with {instruction} and {query}."""
    scores: bool = False
    """Whether the reranker's scores go along, as those of a teacher."""


Lines = Sequence[Line] | str
"""What became of a row; a text is the reason why it is left out."""


def query(row: Row, options: Options) -> str:
    """Write the query by the template. What stands in braces in a query or instruction stays as it is."""
    return re.sub(r"\{(query|instruction)\}", lambda found: str(row[found[1]]), options.query)
