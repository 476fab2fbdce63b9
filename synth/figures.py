"""What is worth counting about a run: the funnel through its stages, and the rows that came out.

The same figures go into `stats.json`, the dataset card and the terminal, so they are worked out here, once.
"""

import hashlib
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.store import Manifest

PUBLISH, QUOTA, BENCHMARKS, KNOWN = "publish", "quota", "benchmarks", "known"
SCORED = "scored_pairs"
"""Folder of the dataset that holds graded pairs of texts."""
TRAIN, VALIDATION = "train", "validation"
_PART = re.compile(r"part-\d{5,}\.parquet")
_QUANTILES = {"min": 0.0, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "max": 1.0}
_COUNTED = {
    "tasks": "task",
    "query_languages": "query_language",
    "positive_languages": "positive_language",
    "types": "type",
    "difficulties": "difficulty",
    "lengths": "length",
    "clarities": "clarity",
    "models": "model",
    "templates": "templates",
}
_DISTINCT = {"queries": "query", "passages": "passage_id", "documents": "document_id", "personas": "persona"}


@dataclass(frozen=True)
class Step:
    """One stage of the funnel: of the rows it found in the running, `rows_in = rows_out + rejected + failed`."""

    stage: str
    rows_in: int
    rows_out: int
    rejected: Mapping[str, int]
    failed: Mapping[str, int]


def funnel(manifests: Iterable[Manifest]) -> list[Step]:
    """Work out what each stage let through, from the manifests in pipeline order.

    A manifest counts all rows by their fate so far; what a stage did itself is the difference to the one before.
    Where the unit changes (documents to planned rows) the total changes or earlier reasons vanish, and counting starts
    anew. Folds have side tables, no rows, and are left out; they are told by their files' names.
    """
    steps = []
    before: Counter[str] = Counter()
    for manifest in manifests:
        if manifest.stage in (BENCHMARKS, KNOWN) or (
            manifest.stage != PUBLISH and not all(_PART.fullmatch(file.name) for file in manifest.files)
        ):
            continue
        out = Counter({name: number for name, number in manifest.counts.items() if "/" in name})
        total = sum(manifest.counts.values())
        if total != before.total() or not out >= _out(before):
            before = Counter({"ok": total})
        new = out - _out(before)
        steps.append(
            Step(
                manifest.stage,
                before["ok"],
                total - out.total(),
                _of_fate(new, "rejected"),
                _of_fate(new, "failed"),
            )
        )
        before = out + Counter({"ok": total - out.total()})
    return steps


def _out(counts: Counter[str]) -> Counter[str]:
    return Counter({name: number for name, number in counts.items() if "/" in name})


def _of_fate(counts: Mapping[str, int], fate: str) -> dict[str, int]:
    return {name.partition("/")[2]: counts[name] for name in sorted(counts) if name.startswith(f"{fate}/")}


@dataclass
class Tally:
    """Counts rows of schema DATASET as they stream by.

    Memory: 32 bytes a row at most (8 for each hash in `distinct`); all the rest is bounded by the number of different
    values, since cosines are rounded to four decimals.
    """

    rows: Counter[str] = field(default_factory=lambda: Counter({TRAIN: 0}))
    values: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _COUNTED})
    pairs: Counter[str] = field(default_factory=Counter)
    written: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows by task and query language."""
    numbers: dict[str, Counter[float]] = field(
        default_factory=lambda: {
            name: Counter()
            for name in (
                "cosine",
                "rank",
                "query_characters",
                "positive_characters",
                "positive_rerank",
                "negative_reranks",
                "negatives",
            )
        }
    )
    hashes: dict[tuple[str, str], "array[int]"] = field(default_factory=dict)

    def add(self, split: str, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        self.rows[split] += rows.num_rows
        for name, column in _COUNTED.items():
            self.values[name].update(rows.column(column).to_pylist())
        for task, language in zip(
            rows.column("task").to_pylist(), rows.column("query_language").to_pylist(), strict=True
        ):
            self.written[task, language] += 1
        queries, positives = (rows.column(f"{side}_language").to_pylist() for side in ("query", "positive"))
        self.pairs.update(f"{query}-{positive}" for query, positive in zip(queries, positives, strict=True))
        self.numbers["cosine"].update(round(score, 4) for score in rows.column("positive_score").to_pylist())
        for name, scores in (
            ("positive_rerank", rows.column("positive_rerank")),
            ("negative_reranks", pc.list_flatten(rows.column("negative_reranks"))),
        ):
            self.numbers[name].update(round(score, 4) for score in scores.drop_null().to_pylist())
        self.numbers["rank"].update(rows.column("rank").drop_null().to_pylist())
        self.numbers["query_characters"].update(pc.utf8_length(rows.column("query")).to_pylist())
        self.numbers["positive_characters"].update(pc.utf8_length(rows.column("positive")).to_pylist())
        self.numbers["negatives"].update(pc.list_value_length(rows.column("negatives")).to_pylist())
        for name, column in _DISTINCT.items():
            found = self.hashes.setdefault((name, split), array("Q"))
            found.extend(_hash(value) for value in rows.column(column).unique().to_pylist())

    def move(self, split: str, to: str) -> None:
        """Count the rows of one split as those of another that has none."""
        self.rows[to] = self.rows.pop(split)
        self.hashes = {(name, to if found == split else found): keys for (name, found), keys in self.hashes.items()}

    def summary(self, per_query: int) -> dict[str, Any]:
        """Return the figures as JSON; `per_query` is the number of negatives that was asked for."""
        negatives = self.numbers["negatives"]
        return {
            "rows": self.rows.total(),
            "splits": {
                split: {"rows": number, **{name: self._distinct(name, split) for name in _DISTINCT}}
                for split, number in sorted(self.rows.items())
            },
            "distinct": {name: self._distinct(name, *self.rows) for name in _DISTINCT},
            "duplicate_queries": self.rows.total() - self._distinct("queries", *self.rows),
            **{name: dict(sorted(found.items())) for name, found in self.values.items()},
            "language_pairs": dict(sorted(self.pairs.items())),
            "scored_pairs": {},
            "by_task": {},
            "benchmarks": {},
            "negatives": {
                "asked_for": per_query,
                "total": int(sum(number * rows for number, rows in negatives.items())),
                "rows_with_fewer": sum(rows for number, rows in negatives.items() if number < per_query),
                "rows_by_number": {str(number): negatives[number] for number in sorted(negatives)},
            },
            "quantiles": {name: quantiles(found) for name, found in self.numbers.items() if name != "negatives"},
        }

    def _distinct(self, name: str, *splits: str) -> int:
        found = [np.frombuffer(self.hashes.get((name, split), b""), dtype=np.uint64) for split in splits]
        return len(np.unique(np.concatenate(found))) if found else 0


def left_out(counted: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """Work out what became of the rows of each task and language, from what the stage `quota` counted before those beyond
    their target were left out: {"by_task": {task: {language: {"planned", "written", "rejected": {reason: rows}, …}}}}."""
    found: dict[str, dict[str, Any]] = {}
    for task, languages in counted["fates"].items():
        for language, fates in languages.items():
            written = tally.written[task, language]
            rejected = _of_fate(fates, "rejected")
            if over := fates.get("ok", 0) - written:
                rejected["over_target"] = over
            found.setdefault(task, {})[language] = {
                "planned": sum(fates.values()), "written": written, "rejected": rejected, "failed": _of_fate(fates, "failed"),
            }  # fmt: skip
    return {"by_task": found, "spent": counted["spent"]}


def steered(counted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the card and stats.json say of targets; nothing of a run without."""
    if "cells" not in counted:
        return {}
    names = ("rounds", "stop", "distance", "cells")
    return {"targets": {name: counted[name] for name in names}}


def _hash(text: str) -> int:
    """Hash a text, whatever its case and white space, to 64 bits: a false match is one in 40 among 10^9 texts."""
    key = " ".join(text.casefold().split())
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def quantiles(values: Mapping[float, int]) -> dict[str, float]:
    """Return nearest-rank quantiles of a histogram {value: rows}; empty without rows."""
    total = sum(values.values())
    if not total:
        return {}
    found = {}
    for name, share in _QUANTILES.items():
        at, seen = max(1, math.ceil(share * total)), 0
        for value in sorted(values):
            seen += values[value]
            if seen >= at:
                found[name] = value
                break
    return found
