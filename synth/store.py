"""A run on disk: shards that appear whole or not at all, and manifests that say what can be trusted.

outputs/<run>/
  run.yaml                        resolved config and versions
  timings.jsonl                   one line per finished stage: when, how long (timings.py)
  responses/                      the journal (journal.py)
  vectors/                        vectors by text (vectors.py)
  <stage>-<fingerprint>/          part-00000.parquet …, manifest.json; parts.jsonl while the stage is running
  dataset/                        what one publishes

A stage is told by its settings (the fingerprint) and by what it was made from: each shard's entry has a hash of the
content behind it. So a shard that is damaged, deleted or made anew calls for just those shards that follow from it, and
a stage that comes out the same as before calls for none.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth import ledger, schemas
from synth.errors import StoreError
from synth.files import as_store_error, remove, sha256, sync, write_atomically
from synth.ledger import File
from synth.stage import Fold, Map, Rounds, Stage

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a finished stage consists of. Nothing that it does not name is trusted."""

    stage: str
    fingerprint: str
    schema: tuple[str, ...]
    files: tuple[File, ...]
    counts: Mapping[str, int]

    @property
    def parts(self) -> list[File]:
        return [file for file in self.files if file.name.endswith(".parquet")]

    @property
    def content(self) -> str:
        """Hash of all that the stage says: the same for two runs that came to the same."""
        return digest(self.fingerprint, *(part for file in self.files for part in (file.name, file.sha256)))


def digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def part_name(index: int) -> str:
    return f"part-{index:05d}.parquet"


def to_parquet(rows: pa.Table) -> bytes:
    """Serialise a table; the same table gives the same bytes (with the same pyarrow)."""
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer, compression="zstd", row_group_size=16_384)
    data: bytes = buffer.getvalue().to_pybytes()
    return data


def write_part(folder: Path, index: int, rows: pa.Table, made_from: str = "", known: File | None = None) -> File:
    """Write a shard and its entry in `parts.jsonl`, in this order; return the entry. A shard that is `known` to be
    there with the same bytes is left as it is."""
    data = to_parquet(rows)
    counts = schemas.counts(rows)
    file = File(part_name(index), rows.num_rows, len(data), hashlib.sha256(data).hexdigest(), made_from, counts)
    if file != known:
        write_atomically(folder / file.name, data)
        ledger.note(folder, file)
    return file


def trusted(folder: Path, made_from: Mapping[str, str] | None) -> dict[str, File]:
    """Return what of an unfinished or outdated stage still holds: noted, there, of the right size, and made from what
    is there now (`made_from`, by name; null for a source, whose content is compared as it is read again)."""
    there = manifest(folder)
    entries = {file.name: file for file in there.files} if there else ledger.noted(folder)
    return {
        name: file
        for name, file in entries.items()
        if (made_from is None or made_from.get(name) == file.made_from) and _is_whole(folder, file)
    }


def _is_whole(folder: Path, file: File) -> bool:
    try:
        return (folder / file.name).stat().st_size == file.bytes
    except OSError:
        return False


def sweep(run: Path) -> None:
    """Remove what a killed process left half-made in a run's folder. Only the run's owner may."""
    with as_store_error(f"{run}: cannot be swept"):
        for old in run.glob(".*.old"):
            if not (run / old.name[1:-4]).exists():  # killed between the two renames of `replace_folder`
                old.rename(run / old.name[1:-4])
        for leftover in [*run.glob(".*.new"), *run.glob(".*.old")]:
            remove(leftover)
        ledgers = [path for path in run.glob(f"*/{ledger.FILE}") if (path.parent / MANIFEST).exists()]
        for leftover in [*run.glob(".*.tmp"), *run.glob("*/.*.tmp"), *ledgers]:
            leftover.unlink(missing_ok=True)


def inputs(run: Path, stage: Stage) -> dict[str, str] | str | None:
    """Return what a stage would be made from now: per shard for a map, in one for a fold, null for a source.

    Raises StoreError when a stage before it is not finished.
    """
    before = [finished(run / stage.folder, stage) for stage in stage.after]
    match stage:
        case Map():
            sides = [one.content for one in before[1:]]
            orders = [(order,) for order in stage.rounds(run)] if isinstance(stage, Rounds) else [()]
            made = [digest(part.sha256, *sides, *order) for order in orders for part in before[0].parts]
            return {part_name(at): made_from for at, made_from in enumerate(made)}
        case Fold():
            return digest(*(one.content for one in before))
        case _:
            return None


def is_finished(run: Path, stage: Stage) -> bool:
    """Whether a stage has its manifest, all its files, and was made from what the stages before it are now."""
    folder = run / stage.folder
    found = manifest(folder)
    if found is None or found.fingerprint != stage.fingerprint:
        return False
    if any(manifest(run / one.folder) is None for one in stage.after):
        return False
    wanted = inputs(run, stage)
    if isinstance(wanted, dict) and [file.name for file in found.files] != list(wanted):
        return False
    return all(
        _is_whole(folder, file)
        and file.made_from == (wanted.get(file.name) if isinstance(wanted, dict) else wanted or "")
        for file in found.files
    )


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a shard without a look at its checksum: for looking at rows. Stages read by `read_checked`."""
    return _table(path, path, columns)


def read_checked(folder: Path, file: File, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a shard. If it is not what its manifest says, set it aside and raise StoreError: the next run makes it anew."""
    path = folder / file.name
    with as_store_error(f"{path}: cannot be read"):
        data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise set_aside(path)
    return _table(path, pa.BufferReader(data), columns)


def check(folder: Path, stage: Stage) -> None:
    """Compare all files of a finished stage with its manifest, as `read_checked` does."""
    for file in finished(folder, stage).files:
        path = folder / file.name
        with as_store_error(f"{path}: cannot be read"):
            if sha256(path) != file.sha256:
                raise set_aside(path)


def set_aside(path: Path) -> StoreError:
    """Move a damaged file out of the way, and return the error that says so."""
    aside = path.with_name(f".{path.name}.damaged")
    with as_store_error(f"{path}: damaged, and cannot be set aside"):
        path.replace(aside)
    return StoreError(
        f"{path}: damaged: its content is not what was written (set aside as {aside.name})",
        fix="run the same command again: only this file, and what differs because of it, is made anew. Is the disk sound?",
    )


def _table(path: Path, source: Any, columns: Sequence[str] | None) -> pa.Table:
    try:
        # `read_table` would load pyarrow.dataset, and with it pandas: 0.1 s of each command.
        with pq.ParquetFile(source) as file:
            return file.read(columns=list(columns) if columns else None)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{path}: damaged or not readable: {error}",
            fix=f"delete {path} and run again: only that file is made anew",
        ) from error


def read_parts(run: Path, stage: Stage, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the shards of a finished stage, in order."""
    folder = run / stage.folder
    for file in finished(folder, stage).parts:
        yield read_checked(folder, file, columns)


def manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a stage's folder, or null while the stage is not finished."""
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_bytes())
        if raw.pop("checksum") != _checksum(raw):
            raise ValueError("its checksum is not that of its content")
        return Manifest(
            raw["stage"],
            raw["fingerprint"],
            tuple(raw["schema"]),
            tuple(File(**f) for f in raw["files"]),
            raw["counts"],
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path}: not a manifest: {error}",
            fix=f"delete the folder {folder} and run again: only that stage is redone",
        ) from error


def _checksum(raw: Mapping[str, Any]) -> str:
    return digest(json.dumps(raw, sort_keys=True))


def finished(folder: Path, stage: Stage) -> Manifest:
    found = manifest(folder)
    if found is None or found.fingerprint != stage.fingerprint:
        raise StoreError(
            f"{folder}: stage {stage.name!r} is not finished",
            fix="run `synth run` first, or give the same --set and -n as that run had",
        )
    return found


def has_manifest(run: Path, stage: Stage) -> bool:
    """Whether a stage came to its end with these settings, whatever became of its files since."""
    found = manifest(run / stage.folder)
    return found is not None and found.fingerprint == stage.fingerprint


def finish(folder: Path, stage: Stage, counts: Mapping[str, int], files: Sequence[File]) -> Manifest:
    """Name the files of a stage in its manifest: the last thing written, it makes the stage finished."""
    made = Manifest(
        stage.name, stage.fingerprint, tuple(f"{f.name}: {f.type}" for f in stage.writes), tuple(files), dict(counts)
    )
    raw = json.loads(json.dumps(asdict(made)))
    write_atomically(folder / MANIFEST, json.dumps({**raw, "checksum": _checksum(raw)}, indent=1).encode())
    with as_store_error(f"{folder}: cannot be tidied"):
        (folder / ledger.FILE).unlink(missing_ok=True)
    return made


def describe(folder: Path, made_from: str) -> list[File]:
    """Describe all files that a fold left in its folder, and see to it that they are on the disk."""
    with as_store_error(f"{folder}: cannot be read back"):
        paths = [path for path in sorted(folder.rglob("*")) if not path.name.startswith(".")]
        for path in [*paths, folder]:
            sync(path)
        return [
            File(
                str(path.relative_to(folder)),
                pq.read_metadata(path).num_rows if path.suffix == ".parquet" else 0,
                path.stat().st_size,
                sha256(path),
                made_from,
                {},
            )
            for path in paths
            if path.is_file()
        ]
