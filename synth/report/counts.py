"""What the report counts: one pass over the rows of all fates, of which only counters and bins are kept.

Memory: one shard, the counters (bounded by the number of different names, bins and shards), and what
`samples.Sampler` holds. Nothing grows with rows but the groups of duplicates: some 60 bytes a duplicate.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.schemas import OK

ACCEPTED, LOW, IRRELEVANT = "accepted", "low_cosine", "not_relevant"
OTHER = "other"
"""Out for another reason than the one that a chart is about."""
FACETS = {"language": "query_language", "type": "type", "difficulty": "difficulty", "length": "length"}
"""Dimensions of targets, and the columns that have them."""
BINS = 50
"""Bins per 1.0 of cosine: 0.02 wide, a tenth of the spread of a usual run."""
TOP_GROUPS = 10
COLUMNS = (
    "id", "task", "query_language", "passage_language", "type", "difficulty", "length", "status", "reason", "detail", "query",
    "positive", "cosine", "rank", "negatives", "negative_scores", "negative_kinds", "asked", "prompt_tokens",
    "cached_tokens", "output_tokens", "positive_rerank", "negative_reranks",
)  # fmt: skip
RANKS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))


@dataclass(frozen=True)
class Part:
    """Sums over one shard, in the order of the plan's."""

    rows: int
    accepted: int
    requests: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass
class Counts:
    fates: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Rows by task, query language, and fate: ACCEPTED or the reason."""
    facets: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """Rows by dimension, task, value (never empty), and ACCEPTED or OTHER."""
    cosines: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Scored rows by task, fate (ACCEPTED, LOW or OTHER) and bin."""
    relevances: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Rows that the reranker read, by task, fate (ACCEPTED, IRRELEVANT or OTHER) and bin."""
    ranks: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Ranked rows by task, fate and number of the range in RANKS."""
    characters: dict[str, Counter[int]] = field(default_factory=lambda: {"query": Counter(), "positive": Counter()})
    """Accepted rows by length in characters."""
    negatives: Counter[int] = field(default_factory=Counter)
    """Accepted rows by number of negatives."""
    negative_cosines: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Negatives of accepted rows by kind and bin."""
    negative_relevances: Counter[int] = field(default_factory=Counter)
    """Negatives of accepted rows that the reranker read, by bin."""
    margins: Counter[int] = field(default_factory=Counter)
    """Accepted rows by bin of the cosine of the positive less that of the hardest negative."""
    parts: list[Part] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)
    """The largest groups of near-equal queries: rows lost, by the id of the kept one."""
    sizes: Counter[int] = field(default_factory=Counter)
    """Groups by number of rows, the kept one included; of two and more."""
    kept: dict[str, str] = field(default_factory=dict)
    """Queries of `groups`."""

    def group(self, clusters: pa.Table) -> None:
        """Count the groups of near-equal queries (schema `stages.clusters.CLUSTERS`). To be called before rows are added."""
        found = pc.value_counts(clusters.column("cluster").combine_chunks())
        lost = found.field("counts").to_numpy()
        self.sizes.update(dict(zip(*_unique(lost + 1), strict=True)))
        names = found.field("values")
        first = sorted(range(len(names)), key=lambda at: (-lost[at], names[at].as_py()))[:TOP_GROUPS]
        self.groups = {names[at].as_py(): int(lost[at]) for at in first}

    def add(self, rows: pa.Table) -> None:
        """Add a shard: the columns COLUMNS of schema MINED, with rows beyond their target marked as rejected."""
        ok = pc.equal(rows.column("status"), OK)
        accepted = rows.filter(ok)
        fate = pc.if_else(ok, ACCEPTED, rows.column("reason"))
        rows = rows.append_column("fate", fate)
        self.fates.update(_grouped(rows, "task", "query_language", "fate"))
        for name, reason in (("short", LOW), ("read", IRRELEVANT)):
            rows = rows.append_column(name, pc.if_else(pc.is_in(fate, pa.array([ACCEPTED, reason])), fate, OTHER))
        rows = rows.append_column("came", pc.if_else(ok, ACCEPTED, OTHER))
        for name, column in FACETS.items():
            for (task, value, came), number in _grouped(rows, "task", column, "came").items():
                if value:
                    self.facets[name, task, value, came] += number
        self._scores(rows)
        for name, lengths in self.characters.items():
            lengths.update(_counted(pc.utf8_length(accepted.column(name))))
        self._negatives(accepted)
        sums = [
            pc.sum(rows.column(name)).as_py() or 0
            for name in ("asked", "prompt_tokens", "cached_tokens", "output_tokens")
        ]
        self.parts.append(Part(rows.num_rows, accepted.num_rows, *sums))
        if self.groups:
            of = rows.filter(pc.is_in(rows.column("id"), pa.array(list(self.groups))))
            self.kept |= dict(zip(of.column("id").to_pylist(), of.column("query").to_pylist(), strict=True))

    def _scores(self, rows: pa.Table) -> None:
        for column, fate, into in (("cosine", "short", self.cosines), ("positive_rerank", "read", self.relevances)):
            scored = rows.filter(rows.column(column).is_valid())
            bins = pa.array(_bins(scored.column(column).to_numpy()))
            into.update(_grouped(scored.append_column("bin", bins), "task", fate, "bin"))
        ranked = rows.filter(rows.column("rank").is_valid())
        last = np.array([end for _, end in RANKS[:-1]])
        place = pa.array(np.searchsorted(last, ranked.column("rank").to_numpy()))
        self.ranks.update(_grouped(ranked.append_column("place", place), "task", "short", "place"))

    def _negatives(self, rows: pa.Table) -> None:
        lists = rows.column("negative_scores").combine_chunks()
        number = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        self.negatives.update(_counted(pa.array(number)))
        scores = lists.flatten().to_numpy(zero_copy_only=False)
        table = pa.table({
            "kind": rows.column("negative_kinds").combine_chunks().flatten(), "bin": pa.array(_bins(scores)),
        })  # fmt: skip
        self.negative_cosines.update(_grouped(table, "kind", "bin"))
        read = rows.column("negative_reranks").combine_chunks().flatten().drop_null()
        self.negative_relevances.update(_counted(pa.array(_bins(read.to_numpy()))))
        has = number > 0
        if has.any():
            starts = (np.cumsum(number) - number)[has]
            hardest = np.maximum.reduceat(scores, starts)
            cosine = rows.column("cosine").to_numpy()[has]
            self.margins.update(_counted(pa.array(_bins(cosine - hardest))))

    def total(self, **of: str) -> int:
        """Count rows by task, language or fate."""
        names = ("task", "language", "fate")
        return sum(
            number
            for key, number in self.fates.items()
            if all(value == of.get(name, value) for name, value in zip(names, key, strict=True))
        )

    def facet(self, dimension: str, task: str) -> dict[str, tuple[int, int]]:
        """Return, by value of a dimension, all rows of a task and accepted ones."""
        found: dict[str, tuple[int, int]] = {}
        for (of, of_task, value, came), number in self.facets.items():
            if (of, of_task) == (dimension, task):
                all_, accepted = found.get(value, (0, 0))
                found[value] = (all_ + number, accepted + (number if came == ACCEPTED else 0))
        return found

    @property
    def tasks(self) -> list[str]:
        return sorted({task for task, _, _ in self.fates})

    @property
    def languages(self) -> list[str]:
        """Those of accepted rows, the most frequent first."""
        found: Counter[str] = Counter()
        for (_, language, fate), number in self.fates.items():
            found[language] += number if fate == ACCEPTED else 0
        return sorted((code for code in found if found[code]), key=lambda code: (-found[code], code))


def _bins(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the bin of each value: float [n] to int64 [n]; bin b holds b / BINS <= value < (b + 1) / BINS, 1.0 the last."""
    found: npt.NDArray[np.int64] = np.floor(values.astype(np.float64) * BINS + 1e-6).astype(np.int64)
    return np.minimum(found, BINS - 1)


def _grouped(rows: pa.Table, *names: str) -> dict[Any, int]:
    counted = rows.select(list(names)).group_by(list(names)).aggregate([([], "count_all")])
    return dict(
        zip(
            zip(*(counted.column(name).to_pylist() for name in names), strict=True),
            counted.column("count_all").to_pylist(),
            strict=True,
        )
    )


def _counted(values: pa.Array | pa.ChunkedArray) -> dict[int, int]:
    found = pc.value_counts(values)
    return dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


def _unique(values: npt.NDArray[Any]) -> tuple[list[int], list[int]]:
    found, numbers = np.unique(values, return_counts=True)
    return found.tolist(), numbers.tolist()
