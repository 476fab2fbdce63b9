"""publish: what is still in the running becomes a dataset: sharded Parquet, two splits, a card and its figures.

Rows beyond their cell's target are left out as `over_target`. Graded rows (of `sts`) are there twice: as triples, and as
scored pairs in a folder of their own.

Rows stream through. What is held in memory is one row group per split, and the 32 bytes a row of `figures.Tally`.
The same rows give the same bytes, however the stages before had cut them into shards.
"""

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth import card, contamination, schemas, store
from synth.config import Config
from synth.errors import VerifyError
from synth.figures import PUBLISH, SCORED, TRAIN, VALIDATION, Tally, funnel, left_out, steered
from synth.schemas import DATASET, OK, SCORED_PAIRS, annotate, stable_seed
from synth.stage import Fold, Stage, Workspace

_RENAMED = {"positive_score": "cosine"}
_HIGHEST = 5.0
"""Grade of texts that mean the same, as in the STS benchmarks (Agirre et al. 2012); trainers want it as 1."""
_COLUMNS = tuple(_RENAMED.get(name, name) for name in DATASET.names)
# A row with five negatives is some 4 KB in memory: 16 MB a row group, well read in one go; and 2 KB in the file. Small
# files get smaller groups, since a file can only end where a group ends. The footer (5 KB a group) comes on top.
_GROUP_ROWS, _ROW_BYTES = 4096, 2048
_SAMPLES = 3


def stage(config: Config, after: Stage, quota: Stage, before: Sequence[Stage], hashes: Stage | None = None) -> Fold:
    """`after` has the rows, of all fates; `quota` what became of the targets; the stages `before` it, in order, have the
    rest of the funnel's counts; `hashes` are the benchmarks', if any are kept out."""
    facts = card.facts(config)
    earlier = [stage for stage in before if stage != after]

    def fn(shards: Iterator[pa.Table], workspace: Workspace) -> Mapping[str, int]:
        manifests = [store.finished(workspace.of(stage), stage) for stage in (*earlier, after)]
        counted = json.loads((workspace.of(quota) / "quota.json").read_text(encoding="utf-8"))
        surplus = set(store.read_part(workspace.of(quota) / "surplus.parquet").column("id").to_pylist())
        over = (_without(shard, surplus) for shard in shards) if surplus else shards
        kept_out = _Benchmarks.of(config, workspace, hashes, earlier)
        return _publish(config, facts, over, manifests, counted, kept_out, workspace.folder)

    return Fold(
        name=PUBLISH,
        does="write the dataset: shards, splits, card, figures",
        writes=DATASET,
        settings={"publish": config.publish.model_dump(mode="json"), "facts": facts},
        version=3,
        after=(after, quota, *earlier, *([hashes] if hashes else [])),
        fixed_folder="dataset",
        fn=fn,
        same_rows=True,
        columns=(*_COLUMNS, "parallel", "status", "reason", "detail"),
    )


@dataclass
class _Benchmarks:
    """What was kept out because a benchmark has it."""

    sizes: Mapping[str, contamination.Size]
    passages: Mapping[str, int]
    rows: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, config: Config, workspace: Workspace, hashes: Stage | None, before: Sequence[Stage]) -> "_Benchmarks":
        if not hashes:
            return cls({}, {})
        tables = store.read_parts(workspace.run, hashes)
        passages: Counter[str] = Counter()
        for stage in before:
            if stage.name == "screen":
                for rows in store.read_parts(workspace.run, stage, ["status", "reason", "detail"]):
                    passages.update(contamination.counts(rows))
        return cls(contamination.Index.of(tables, config.decontamination).sizes(), passages)

    def figures(self) -> dict[str, Any]:
        """Return, per benchmark, its texts, those too short to look for, and the passages and rows that had one of them."""
        return {
            "benchmarks": {
                name: {
                    "texts": size.texts,
                    "short": size.short,
                    "passages": self.passages.get(name, 0),
                    "rows": self.rows[name],
                }
                for name, size in sorted(self.sizes.items())
            }
        }


def _without(rows: pa.Table, surplus: Set[str]) -> pa.Table:
    return annotate(rows, ("over_target" if name in surplus else None for name in rows.column("id").to_pylist()))


def _publish(
    config: Config,
    facts: Mapping[str, Any],
    shards: Iterator[pa.Table],
    manifests: Sequence[store.Manifest],
    counted: Mapping[str, Any],
    kept_out: "_Benchmarks",
    folder: Path,
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    tally, samples = Tally(), list[tuple[int, dict[str, Any]]]()
    target = int(config.publish.shard_mb * 10**6)
    with ExitStack() as stack:
        writers = {split: stack.enter_context(_Shards(folder / "data", split, target)) for split in (TRAIN, VALIDATION)}
        graded = {
            split: stack.enter_context(_Shards(folder / SCORED, split, target, SCORED_PAIRS))
            for split in (TRAIN, VALIDATION)
        }
        for shard in shards:
            counts.update(schemas.counts(shard))
            kept_out.rows.update(contamination.counts(shard))
            for split, part in by_document(shard, config.publish.validation).items():
                rows = dataset_rows(part)
                writers[split].add(rows)
                graded[split].add(scored_pairs(rows))
                tally.add(split, rows)
                samples = sample(samples, rows)
        if not tally.rows[TRAIN] and tally.rows[VALIDATION] and not config.known:
            # One document or two, all held out: nobody could train on that, and `datasets` loads no empty split. What goes
            # beside earlier runs' rows keeps its split: theirs may have the same documents in it.
            tally.move(VALIDATION, TRAIN)
            writers[VALIDATION].finish(TRAIN)
            pairs = {TRAIN: graded[VALIDATION].finish(TRAIN)}
        else:
            writers[TRAIN].finish(TRAIN, even_if_empty=True)
            writers[VALIDATION].finish(VALIDATION)
            pairs = {split: graded[split].finish(split) for split in (TRAIN, VALIDATION)}
    figures = tally.summary(config.negatives.per_query)
    figures[SCORED] = {split: rows for split, rows in pairs.items() if rows}
    figures["models"] = {card.public_name(name): rows for name, rows in figures["models"].items()}
    steps = funnel(manifests)
    figures |= left_out(counted, tally) | steered(counted) | kept_out.figures()
    page = card.card(facts, figures, steps, [row for _, row in samples], card.content_of(folder))
    (folder / "README.md").write_text(page, encoding="utf-8")
    stats = {**figures, "funnel": [asdict(step) for step in steps]}
    text = json.dumps(stats, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "stats.json").write_text(text + "\n", encoding="utf-8")
    out = {name: number for name, number in sorted(counts.items()) if name != OK}
    return {split: tally.rows[split] for split in sorted(tally.rows)} | out


def dataset_rows(rows: pa.Table) -> pa.Table:
    """Return the rows of schema MINED that are ok, as rows of schema DATASET."""
    rows = rows.filter(pc.equal(rows.column("status"), OK)).select(_COLUMNS).rename_columns(DATASET.names)
    try:
        return schemas.conform(rows, DATASET)
    except ValueError as error:
        raise VerifyError(
            f"stage {PUBLISH!r}: rows that are ok lack what a dataset needs: {error}",
            fix="this is a bug in the stages before: please report it",
        ) from error


def scored_pairs(rows: pa.Table) -> pa.Table:
    """Return the graded pairs of rows of schema DATASET: query and positive, and query and each graded negative."""
    names = ("query", "positive", "similarity", "negatives", "negative_similarities", "id", "query_language")
    found = []
    graded = rows.filter(pc.is_valid(rows.column("similarity"))).select(names)
    for query, positive, grade, negatives, grades, name, language in zip(*graded.to_pydict().values(), strict=True):
        pairs = [
            (positive, grade),
            *((text, other) for text, other in zip(negatives, grades, strict=True) if other is not None),
        ]
        found += [
            {"sentence1": query, "sentence2": text, "score": grade / _HIGHEST, "id": name, "language": language}
            for text, grade in pairs
        ]
    return schemas.table(SCORED_PAIRS, found)


def by_document(rows: pa.Table, share: float) -> dict[str, pa.Table]:
    """Split rows (schemas.MINED) by a hash of their document's id alone: no seed, setting or other document can move it.

    Translations of one document are in one split."""
    columns = (rows.column(name).to_pylist() for name in ("parallel", "document_id"))
    keys = [parallel or document for parallel, document in zip(*columns, strict=True)]
    held_out = pa.array([stable_seed("split", key) < share * 2**31 for key in keys], pa.bool_())
    return {TRAIN: rows.filter(pc.invert(held_out)), VALIDATION: rows.filter(held_out)}


def sample(kept: list[tuple[int, dict[str, Any]]], rows: pa.Table) -> list[tuple[int, dict[str, Any]]]:
    """Keep the rows whose ids hash lowest: a sample from everywhere that does not depend on the order of rows."""
    keys = ((stable_seed("sample", name), at) for at, name in enumerate(rows.column("id").to_pylist()))
    new = [(key, rows.slice(at, 1).to_pylist()[0]) for key, at in heapq.nsmallest(_SAMPLES, keys)]
    return heapq.nsmallest(_SAMPLES, [*kept, *new], key=lambda pair: pair[0])


class _Shards:
    """Writes one split. A file's name says how many there are, so files get their names when all are written.

    Row groups are cut by number of rows and files end with the first group that reaches the target size, so that
    bytes depend on the rows alone.
    """

    def __init__(self, folder: Path, split: str, target_bytes: int, schema: pa.Schema = DATASET) -> None:
        self._folder, self._split, self._target, self._schema = folder, split, target_bytes, schema
        self._rows = 0
        self._group = max(1, min(_GROUP_ROWS, target_bytes // _ROW_BYTES))
        self._waiting: list[pa.Table] = []
        self._paths: list[Path] = []
        self._stream: BinaryIO | None = None
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def add(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        self._waiting.append(rows)
        self._rows += rows.num_rows
        if sum(table.num_rows for table in self._waiting) >= self._group:
            self._flush(self._group)

    def finish(self, split: str, *, even_if_empty: bool = False) -> int:
        """Write what is left, name the files, and return how many rows they have."""
        self._flush(1)
        if even_if_empty and not self._paths:
            self._write(self._schema.empty_table())
        self._close()
        for index, path in enumerate(self._paths):
            path.rename(self._folder / f"{split}-{index:05d}-of-{len(self._paths):05d}.parquet")
        return self._rows

    def _flush(self, at_least: int) -> None:
        """Write row groups while at least so many rows are waiting."""
        rows = pa.concat_tables([self._schema.empty_table(), *self._waiting])
        at = 0
        while rows.num_rows - at >= at_least:
            # Chunk borders would show in the pages of the file: they come from how earlier stages cut their shards.
            self._write(rows.slice(at, self._group).combine_chunks())
            at = min(rows.num_rows, at + self._group)
        self._waiting = [rows.slice(at)] if at < rows.num_rows else []

    def _write(self, rows: pa.Table) -> None:
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._paths.append(self._folder / f".{self._split}-{len(self._paths):05d}.tmp")
            self._stream = self._paths[-1].open("wb")
            self._writer = pq.ParquetWriter(self._stream, self._schema, compression="zstd")
        self._writer.write_table(rows, row_group_size=self._group)
        if self._stream and self._stream.tell() >= self._target:
            self._close()

    def _close(self) -> None:
        writer, stream, self._writer, self._stream = self._writer, self._stream, None, None
        try:
            if writer is not None:
                writer.close()
        finally:
            if stream is not None:
                stream.close()
