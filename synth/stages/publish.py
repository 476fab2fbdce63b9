"""publish: what is still in the running becomes a dataset: sharded Parquet, two splits, a card and its figures.

Rows stream through. What is held in memory is one row group per split, and the 32 bytes a row of `figures.Tally`.
The same rows give the same bytes, however the stages before had cut them into shards.
"""

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth import card, schemas, store
from synth.config import Config
from synth.errors import VerifyError
from synth.figures import PUBLISH, TRAIN, VALIDATION, Tally, funnel
from synth.schemas import DATASET, OK, stable_seed
from synth.stage import Fold, Stage, Workspace

_RENAMED = {"positive_score": "cosine"}
_COLUMNS = tuple(_RENAMED.get(name, name) for name in DATASET.names)
# A row with five negatives is some 4 KB in memory: 16 MB a row group, well read in one go; and 2 KB in the file. Small
# files get smaller groups, since a file can only end where a group ends. The footer (5 KB a group) comes on top.
_GROUP_ROWS, _ROW_BYTES = 4096, 2048
_SAMPLES = 3


def stage(config: Config, after: Stage, before: Sequence[Stage]) -> Fold:
    """`after` has the rows, of all fates; the stages `before` it, in order, have the rest of the funnel's counts."""
    facts = card.facts(config)
    earlier = [stage for stage in before if stage != after]

    def fn(shards: Iterator[pa.Table], workspace: Workspace) -> Mapping[str, int]:
        manifests = [store.finished(workspace.of(stage), stage) for stage in (*earlier, after)]
        return _publish(config, facts, shards, manifests, workspace.folder)

    return Fold(
        name=PUBLISH,
        does="write the dataset: shards, splits, card, figures",
        writes=DATASET,
        settings={"publish": config.publish.model_dump(mode="json"), "facts": facts},
        after=(after, *earlier),
        fixed_folder="dataset",
        fn=fn,
        same_rows=True,
        columns=(*_COLUMNS, "status", "reason"),
    )


def _publish(
    config: Config,
    facts: Mapping[str, Any],
    shards: Iterator[pa.Table],
    manifests: Sequence[store.Manifest],
    folder: Path,
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    tally, samples = Tally(), list[tuple[int, dict[str, Any]]]()
    target = int(config.publish.shard_mb * 10**6)
    with ExitStack() as stack:
        writers = {split: stack.enter_context(_Shards(folder / "data", split, target)) for split in (TRAIN, VALIDATION)}
        for shard in shards:
            counts.update(schemas.counts(shard))
            rows = dataset_rows(shard)
            for split, part in by_document(rows, config.publish.validation).items():
                writers[split].add(part)
                tally.add(split, part)
            samples = _sample(samples, rows)
        if not tally.rows[TRAIN] and tally.rows[VALIDATION]:
            # One document or two, all held out: nobody could train on that, and `datasets` loads no empty split.
            tally.move(VALIDATION, TRAIN)
            writers[VALIDATION].finish(TRAIN)
        else:
            writers[TRAIN].finish(TRAIN, even_if_empty=True)
            writers[VALIDATION].finish(VALIDATION)
    figures = tally.summary(config.negatives.per_query)
    figures["models"] = {card.public_name(name): rows for name, rows in figures["models"].items()}
    steps = funnel(manifests)
    (folder / "README.md").write_text(card.card(facts, figures, steps, [row for _, row in samples]), encoding="utf-8")
    stats = {**figures, "funnel": [asdict(step) for step in steps]}
    text = json.dumps(stats, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "stats.json").write_text(text + "\n", encoding="utf-8")
    left_out = {name: number for name, number in sorted(counts.items()) if name != OK}
    return {split: tally.rows[split] for split in sorted(tally.rows)} | left_out


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


def by_document(rows: pa.Table, share: float) -> dict[str, pa.Table]:
    """Split rows by a hash of their document's id alone: no seed, setting or other document can move it."""
    documents = rows.column("document_id").to_pylist()
    held_out = pa.array([stable_seed("split", document) < share * 2**31 for document in documents], pa.bool_())
    return {TRAIN: rows.filter(pc.invert(held_out)), VALIDATION: rows.filter(held_out)}


def _sample(kept: list[tuple[int, dict[str, Any]]], rows: pa.Table) -> list[tuple[int, dict[str, Any]]]:
    """Keep the rows whose ids hash lowest: a sample from everywhere that does not depend on the order of rows."""
    keys = ((stable_seed("sample", name), at) for at, name in enumerate(rows.column("id").to_pylist()))
    new = [(key, rows.slice(at, 1).to_pylist()[0]) for key, at in heapq.nsmallest(_SAMPLES, keys)]
    return heapq.nsmallest(_SAMPLES, [*kept, *new], key=lambda pair: pair[0])


class _Shards:
    """Writes one split. A file's name says how many there are, so files get their names when all are written.

    Row groups are cut by number of rows and files end with the first group that reaches the target size, so that
    bytes depend on the rows alone.
    """

    def __init__(self, folder: Path, split: str, target_bytes: int) -> None:
        self._folder, self._split, self._target = folder, split, target_bytes
        self._group = max(1, min(_GROUP_ROWS, target_bytes // _ROW_BYTES))
        self._waiting: list[pa.Table] = []
        self._paths: list[Path] = []
        self._stream: BinaryIO | None = None
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Shards":
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        if sum(table.num_rows for table in self._waiting) >= self._group:
            self._flush(self._group)

    def finish(self, split: str, *, even_if_empty: bool = False) -> None:
        self._flush(1)
        if even_if_empty and not self._paths:
            self._write(DATASET.empty_table())
        self._close()
        for index, path in enumerate(self._paths):
            path.rename(self._folder / f"{split}-{index:05d}-of-{len(self._paths):05d}.parquet")

    def _flush(self, at_least: int) -> None:
        """Write row groups while at least so many rows are waiting."""
        rows = pa.concat_tables([DATASET.empty_table(), *self._waiting])
        at = 0
        while rows.num_rows - at >= at_least:
            # Chunk borders would show in the pages of the file: they come from how earlier stages cut their shards.
            self._write(rows.slice(at, self._group).combine_chunks())
            at = min(rows.num_rows, at + self._group)
        self._waiting = [rows.slice(at)] if at < rows.num_rows else []

    def _write(self, rows: pa.Table) -> None:
        if self._writer is None:
            self._paths.append(self._folder / f".{self._split}-{len(self._paths):05d}.tmp")
            self._stream = self._paths[-1].open("wb")
            self._writer = pq.ParquetWriter(self._stream, DATASET, compression="zstd")
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
