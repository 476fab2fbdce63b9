"""verify: read a whole run back, and say in plain sentences what is not as it was left.

Checksums tell whether files changed since; counts and ids tell whether the code lost or doubled a row. A stage whose
files are damaged is not looked into further, so that one flipped bit gives one sentence.

Memory: ids are held as hashes, 16 bytes a row of the largest two stages (rows of one stage are compared with those of
the stage before); a collision would need some 10^16 rows. In time it costs one read of everything.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth import schemas, store
from synth.errors import StoreError
from synth.figures import PUBLISH, QUOTA, SCORED
from synth.files import sha256
from synth.ledger import File
from synth.stage import Fold, Map, Rounds, Stage

_CHECKED = ("id", "positive", "rank", "passage_id", "negatives", "negative_ids", "negative_scores", "document_id")
"""Columns of the dataset that are looked into."""


def verify(config_stages: Sequence[Stage], run: Path) -> list[str]:
    """Check every stage of a run; return what is wrong, one sentence per problem, empty when all is well."""
    problems: list[str] = []
    sound: dict[str, store.Manifest] = {}
    for stage in config_stages:
        folder = run / stage.folder
        try:
            manifest = store.manifest(folder)
        except StoreError as error:
            problems.append(error.what)
            continue
        if manifest is None or manifest.fingerprint != stage.fingerprint:
            why = "no manifest.json" if manifest is None else "its manifest.json is of other settings"
            problems.append(f"{folder}: stage {stage.name!r} is not finished: {why}")
            continue
        problems += _strangers(folder, manifest)
        damage = list(_files(folder, manifest)) or list(_schema(folder, stage, manifest))
        if not damage:
            sound[stage.name] = manifest
            damage = [*_origins(run, stage, manifest, sound), *_rows(run, stage, manifest, sound)]
        problems += damage
    return problems


def _strangers(folder: Path, manifest: store.Manifest) -> Iterator[str]:
    named = {folder / file.name for file in manifest.files} | {folder / store.MANIFEST}
    for path in sorted(folder.rglob("*")):
        # Hidden files are leftovers of a killed process or of a file browser: nothing reads them.
        if path.is_file() and path not in named and not path.name.startswith("."):
            yield f"{path}: no manifest names this file"


def _files(folder: Path, manifest: store.Manifest) -> Iterator[str]:
    """Compare the files with what the manifest says of them."""
    for file in manifest.files:
        path = folder / file.name
        if not path.is_file():
            yield f"{path}: the file is missing"
        elif (size := path.stat().st_size) != file.bytes:
            yield f"{path}: {size:,} bytes, the manifest says {file.bytes:,}"
        elif sha256(path) != file.sha256:
            yield f"{path}: its SHA-256 is not the manifest's: the content was changed"


def _schema(folder: Path, stage: Stage, manifest: store.Manifest) -> Iterator[str]:
    for file in manifest.parts:
        path = folder / file.name
        try:
            metadata, schema = pq.read_metadata(path), pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            yield f"{path}: not readable as Parquet: {str(error).splitlines()[0]}"
            continue
        if metadata.num_rows != file.rows:
            yield f"{path}: {metadata.num_rows:,} rows, the manifest says {file.rows:,}"
        wanted = schemas.SCORED_PAIRS if file.name.startswith(f"{SCORED}/") else stage.writes
        if not schema.equals(wanted):
            yield f"{path}: its schema is not that of stage {stage.name!r}: {_difference(schema, wanted)}"


def _difference(found: pa.Schema, wanted: pa.Schema) -> str:
    missing = [f"{name} is missing" for name in wanted.names if name not in found.names]
    extra = [f"{name} is not in it" for name in found.names if name not in wanted.names]
    both = [name for name in wanted.names if name in found.names and not found.field(name).equals(wanted.field(name))]
    other = [f"{name} is {found.field(name).type}, not {wanted.field(name).type}, or differs in null" for name in both]
    return ", ".join([*missing, *extra, *other]) or "its columns are in another order"


def _origins(run: Path, stage: Stage, manifest: store.Manifest, sound: Mapping[str, store.Manifest]) -> Iterator[str]:
    """Compare what the files say they were made from with what is there."""
    if any(one.name not in sound for one in stage.after):
        return
    wanted = store.inputs(run, stage)
    if isinstance(wanted, dict) and list(wanted) != [file.name for file in manifest.files]:
        why = " by its orders" if isinstance(stage, Rounds) else ""
        yield f"{run / stage.folder}: it has {len(manifest.files)} shards, and should have {len(wanted)}{why}: go on with the run"
        return
    for file in manifest.files:
        if file.made_from != ((wanted.get(file.name, file.made_from) if isinstance(wanted, dict) else wanted) or ""):
            before = ", ".join(repr(one.name) for one in stage.after)
            yield f"{run / stage.folder / file.name}: made from other content than {before} have now"


def _rows(run: Path, stage: Stage, manifest: store.Manifest, sound: dict[str, store.Manifest]) -> Iterator[str]:
    """Check what the rows say, against the counts and against the stage before."""
    folder = run / stage.folder
    before = sound.get(stage.after[0].name) if stage.after else None
    if stage.name == PUBLISH:
        yield from _dataset(run, stage, manifest, before)
        return
    if isinstance(stage, Fold):
        return
    counts: Counter[str] = Counter()
    for file in manifest.parts:
        columns = [name for name in ("status", "reason") if name in stage.writes.names] or stage.writes.names[:1]
        rows = store.read_part(folder / file.name, columns)
        found = schemas.counts(rows)
        counts.update(found)
        if found != file.counts:
            yield f"{folder / file.name}: it has the rows {found}, the manifest says {dict(file.counts)}"
    yield from _same_counts(folder, counts, manifest)
    if "id" not in stage.writes.names:
        return
    yield from _unique(folder, manifest.parts)
    if isinstance(stage, Map) and stage.same_rows and before is not None:
        yield from _same_ids(run, stage, manifest, before)


def _same_counts(folder: Path, counts: Counter[str], manifest: store.Manifest) -> Iterator[str]:
    for name in sorted({*counts, *manifest.counts}):
        if counts[name] != manifest.counts.get(name, 0):
            said = manifest.counts.get(name, 0)
            yield f"{folder / store.MANIFEST}: it counts {said:,} rows as {name!r}, the files have {counts[name]:,}"


def _unique(folder: Path, parts: Sequence[File]) -> Iterator[str]:
    keys = np.sort(_keys(row for file in parts for row in _column(folder / file.name, "id")))
    twice = set(keys[1:][keys[1:] == keys[:-1]].tolist())
    if not twice:
        return
    first: dict[str, str] = {}
    for file in parts:
        for name in _column(folder / file.name, "id"):
            if _key(name).rstrip(b"\0") in twice:
                if name in first:
                    yield f"{folder / file.name}: the id {name} stands here again, first in {first[name]}"
                first.setdefault(name, file.name)


def _same_ids(run: Path, stage: Stage, manifest: store.Manifest, before: store.Manifest) -> Iterator[str]:
    """A map that keeps its rows has one shard per shard, with the same ids in the same order."""
    folder, source = run / stage.folder, run / stage.after[0].folder
    for number, file in enumerate(manifest.parts[: len(before.parts)]):
        path, origin = folder / file.name, source / before.parts[number].name
        if list(_column(path, "id")) != list(_column(origin, "id")):
            yield f"{path}: its ids are not those of {origin}, the shard it was made from"
    if len(manifest.parts) != len(before.parts):
        yield f"{folder}: {len(manifest.parts)} shards, made from {len(before.parts)} in {source}"


def _dataset(run: Path, stage: Stage, manifest: store.Manifest, before: store.Manifest | None) -> Iterator[str]:
    """Check the published rows: all that were ok and no others, splits apart, negatives that are negative."""
    folder = run / stage.folder
    surplus = _surplus(run, stage)
    left_out = {name: number for name, number in (before or manifest).counts.items() if "/" in name}
    counts = Counter(left_out) + Counter({f"{schemas.REJECTED}/over_target": len(surplus)})
    splits: dict[str, dict[str, list[np.ndarray[Any, Any]]]] = {}
    published = [file for file in manifest.parts if not file.name.startswith(f"{SCORED}/")]
    for file in published:
        split = Path(file.name).name.partition("-")[0]
        counts[split] += file.rows
        for rows in _batches(folder / file.name, _CHECKED):
            yield from _negatives(folder / file.name, rows)
            passages = rows.filter(pc.is_valid(rows.column("rank")))  # a label is the positive of many
            for column, of in (("document_id", rows), ("positive", passages)):
                values = np.unique(_keys(of.column(column).unique().to_pylist()))
                splits.setdefault(column, {}).setdefault(split, []).append(values)
    yield from _same_counts(folder, counts, manifest)
    yield from _unique(folder, published)
    for column, found in splits.items():
        values = np.concatenate([np.unique(np.concatenate(part)) for part in found.values()])
        if both := len(values) - len(np.unique(values)):
            yield f"{folder / 'data'}: {both:,} values of {column!r} are in more than one split"
    if before is None:
        return
    source = run / stage.after[0].folder
    wanted = _keys(row for file in before.parts for row in _ok_ids(source / file.name))
    wanted = np.setdiff1d(wanted, _keys(surplus))
    got = np.sort(_keys(row for file in published for row in _column(folder / file.name, "id")))
    for what, number in (
        ("rows that are ok are missing from the dataset", len(np.setdiff1d(wanted, got))),
        ("rows of the dataset are not among those that are ok", len(np.setdiff1d(got, wanted))),
    ):
        if number:
            yield f"{folder / 'data'}: {number:,} {what} in {source}"


def _surplus(run: Path, stage: Stage) -> list[str]:
    """Return the ids of the rows beyond their target, which the stage `quota` names."""
    for before in stage.after:
        if before.name == QUOTA:
            return list(_column(run / before.folder / "surplus.parquet", "id"))
    return []


def _batches(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield a file's rows, some thousand at a time: a published file can be far larger than what a stage holds."""
    with pq.ParquetFile(path) as source:
        for batch in source.iter_batches(batch_size=4096, columns=list(columns)):
            yield pa.Table.from_batches([batch])


def _negatives(path: Path, rows: pa.Table) -> Iterator[str]:
    for name, positive, _, passage, texts, ids, scores, _ in zip(
        *(rows.column(column).to_pylist() for column in _CHECKED), strict=True
    ):
        if positive in texts or passage in ids:
            yield f"{path}: row {name} has its positive among its negatives"
        if not len(texts) == len(ids) == len(scores):
            yield f"{path}: row {name} has {len(texts)} negatives, {len(ids)} ids and {len(scores)} scores of them"


def _column(path: Path, name: str) -> Iterator[str]:
    yield from store.read_part(path, [name]).column(name).to_pylist()


def _ok_ids(path: Path) -> Iterator[str]:
    rows = store.read_part(path, ["id", "status"])
    yield from rows.filter(pc.equal(rows.column("status"), schemas.OK)).column("id").to_pylist()


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _keys(texts: Iterable[str]) -> "np.ndarray[Any, Any]":
    """Hash texts to 16 bytes each. NumPy drops NULs at the end of such values, in all of them alike."""
    return np.fromiter((_key(text) for text in texts), dtype="S16")
