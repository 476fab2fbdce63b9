"""A run on disk: shards that appear whole or not at all, a manifest written last, and one owner at a time.

outputs/<run>/
  run.yaml                        resolved config and versions
  timings.jsonl                   one line per finished stage: when, how long
  responses/                      the journal (journal.py)
  <stage>-<fingerprint>/          part-00000.parquet …, manifest.json
  dataset/                        what one publishes
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synth.errors import StoreError
from synth.stage import Stage

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class File:
    """One file of a finished stage."""

    name: str
    rows: int
    bytes: int
    sha256: str


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


@contextlib.contextmanager
def _as_store_error(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{doing}: {error.strerror or error}",
            fix="free disk space or mend permissions, then run the same command again: finished shards are kept",
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is seen whole or not at all, also after a power cut."""
    with _as_store_error(f"{path}: cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with making.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            making.replace(path)
        finally:
            making.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def part_name(index: int) -> str:
    return f"part-{index:05d}.parquet"


def to_parquet(rows: pa.Table) -> bytes:
    """Serialise a table; the same table gives the same bytes (with the same pyarrow)."""
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer, compression="zstd", row_group_size=16_384)
    data: bytes = buffer.getvalue().to_pybytes()
    return data


def write_part(folder: Path, index: int, rows: pa.Table) -> None:
    write_atomically(folder / part_name(index), to_parquet(rows))


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(columns) if columns else None, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{path}: damaged or not readable: {error}",
            fix=f"delete the folder {path.parent} and run again: only that stage is redone",
        ) from error


def read_parts(run: Path, stage: Stage, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the shards of a finished stage, in order."""
    folder = run / stage.folder
    for file in finished(folder, stage).parts:
        yield read_part(folder / file.name, columns)


def manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a stage's folder, or null while the stage is not finished."""
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(
            raw["stage"],
            raw["fingerprint"],
            tuple(raw["schema"]),
            tuple(File(**f) for f in raw["files"]),
            raw["counts"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: not a manifest: {error}",
            fix=f"delete the folder {folder} and run again: only that stage is redone",
        ) from error


def is_finished(run: Path, stage: Stage) -> bool:
    found = manifest(run / stage.folder)
    return found is not None and found.fingerprint == stage.fingerprint


def finished(folder: Path, stage: Stage) -> Manifest:
    found = manifest(folder)
    if found is None or found.fingerprint != stage.fingerprint:
        raise StoreError(
            f"{folder}: stage {stage.name!r} is not finished", fix="run `synth run` with the same config first"
        )
    return found


def finish(folder: Path, stage: Stage, counts: Mapping[str, int]) -> Manifest:
    """Describe every file of the folder in its manifest: the last thing written, it makes the stage finished."""
    with _as_store_error(f"{folder}: cannot be read back"):
        files = tuple(
            File(
                str(path.relative_to(folder)),
                pq.read_metadata(path).num_rows if path.suffix == ".parquet" else 0,
                path.stat().st_size,
                sha256(path),
            )
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        )
    made = Manifest(
        stage.name, stage.fingerprint, tuple(f"{f.name}: {f.type}" for f in stage.writes), files, dict(counts)
    )
    write_atomically(folder / MANIFEST, json.dumps(asdict(made), indent=1).encode())
    return made


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fresh_folder(folder: Path) -> Path:
    """Return an empty folder beside `folder`, to be put in its place by `replace_folder`."""
    making = folder.with_name(f".{folder.name}.new")
    with _as_store_error(f"{folder}: cannot be made"):
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
    return making


def replace_folder(making: Path, folder: Path) -> None:
    with _as_store_error(f"{folder}: cannot be put in place"):
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        making.rename(folder)
        _sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def note_timing(run: Path, stage: Stage, seconds: float, **more: Any) -> None:
    """Append to timings.jsonl. Kept apart from manifests, which must not differ between two equal runs."""
    line = {
        "stage": stage.name,
        "fingerprint": stage.fingerprint,
        "seconds": round(seconds, 3),
        "finished": round(time.time(), 3),
        **more,
    }
    with _as_store_error(f"{run}: cannot be written"), (run / "timings.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def timings(run: Path) -> dict[str, dict[str, Any]]:
    """Return the newest timing per fingerprint; a torn last line is skipped."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for line in (run / "timings.jsonl").read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                found[entry["fingerprint"]] = entry
    return found


@contextlib.contextmanager
def owned(run: Path) -> Iterator[None]:
    """Hold the run's lock. The system lets go of it when its holder dies, however it dies."""
    with _as_store_error(f"{run}: cannot be made or written"):
        run.mkdir(parents=True, exist_ok=True)
        stream = (run / ".lock").open("a+", encoding="utf-8")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise StoreError(
                f"{run}: in use by {holder}", fix="wait for it, stop it, or give this run another `name`"
            ) from error
        stream.seek(0)
        stream.truncate()
        stream.write(f"pid {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        stream.flush()
        yield
