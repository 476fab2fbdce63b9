"""export: a finished dataset, row by row, into the files of a trainer's format.

Memory does not grow with rows: a batch of them is held, and what must be there once is looked up in a temporary file.
The same dataset gives the same bytes. Files are made in a folder beside, and appear all at once.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from synth import plugins, schemas, store
from synth.errors import ConfigError, StoreError
from synth.exports import Line, Options
from synth.figures import SCORED
from synth.files import as_store_error, fresh_folder, remove, replace_folder, sha256, sync
from synth.stage import Stage
from synth.visible import json_line

ABOUT = "export.json"
"""Names the format, the counts and the files: by it a later export knows what it may replace."""
CARD = "README.md"
_BATCH = 512


@dataclass(frozen=True)
class Exported:
    """What an export came to."""

    format: str
    folder: str
    rows: int
    """Rows read; scored pairs, of a format that is made of them."""
    written: dict[str, int]
    """Rows written, by split."""
    left_out: dict[str, int]
    """Rows left out, by reason. With those written, they are all rows."""
    files: dict[str, int]
    """Lines of each file."""
    negatives_left_out: int
    """Negatives of written rows that the format has no room for."""


def export(run: Path, stage: Stage, name: str, out: Path, options: Options, chosen: Sequence[str] = ()) -> Exported:
    """Write the dataset of a finished run (`stage` is its last) as format `name` into `out`."""
    form = plugins.load("exports", name)
    _free(out)
    folder = run / stage.folder
    if not store.has_manifest(run, stage):
        raise StoreError(
            f"{run}: the run is not finished",
            fix="run `synth run` first, or give the same --set and -n as that run had",
        )
    store.check(folder, stage)
    content = store.finished(folder, stage).content
    making = fresh_folder(out)
    try:
        with as_store_error(f"{out}: cannot be written"), _Files(making, getattr(form, "TABLES", {})) as files:
            found = _write(form, name, out, _rows(folder, stage, form), files, options, chosen)
        if store.finished(folder, stage).content != content:
            raise StoreError(f"{folder}: the dataset changed while it was read", fix="run the same command again")
        if not found.written:
            reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in found.left_out.items()) or "there are none"
            raise ConfigError(f"--format {name}: none of the rows fits it: {reasons}", fix="choose another format")
        with as_store_error(f"{out}: cannot be written"):
            describe(form, making, found.files)
            about: dict[str, Any] = {key: value for key, value in asdict(found).items() if key != "folder"}
            about["card"] = hasattr(form, "card")  # without one, a README.md is somebody's own
            (making / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            sync(making / ABOUT)
        replace_folder(making, out)
        return found
    finally:
        remove(making)


def describe(form: ModuleType, folder: Path, files: Mapping[str, int]) -> None:
    """Write the README.md of a format that wants one."""
    if hasattr(form, "card"):
        held = "".join(f"{name}\0{sha256(folder / name)}\0" for name in files)
        (folder / CARD).write_text(form.card(files, hashlib.sha256(held.encode()).hexdigest()[:16]), encoding="utf-8")
        sync(folder / CARD)


def _free(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier export."""
    if not out.exists():
        return
    if out.is_dir():
        there = {str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()}
        try:
            about = json.loads((out / ABOUT).read_bytes()) if there else {"files": ()}
            known = {ABOUT, *about["files"], *([CARD] if about.get("card") else [])}
        except (OSError, ValueError, KeyError, TypeError):
            known = set()
        if there <= known:
            return
    raise ConfigError(f"--out {out}: it holds other files", fix="give an empty folder, or one that does not exist")


def _rows(folder: Path, stage: Stage, form: ModuleType) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (split, row) in the order of the dataset."""
    place = "data/" if form.READS is schemas.DATASET else f"{SCORED}/"
    for file in store.finished(folder, stage).parts:
        if file.name.startswith(place):
            with pq.ParquetFile(folder / file.name) as source:
                for batch in source.iter_batches(batch_size=_BATCH):
                    for row in batch.to_pylist():
                        yield file.name.removeprefix(place).partition("-")[0], row


def _write(
    form: ModuleType, name: str, out: Path, rows: Iterator[tuple[str, dict[str, Any]]], files: "_Files",
    options: Options, chosen: Sequence[str],
) -> Exported:  # fmt: skip
    read, spare, written, left_out = 0, 0, Counter[str](), Counter[str]()
    for split, row in rows:
        read += 1
        made = "other_task" if chosen and row.get("task", "sts") not in chosen else form.lines(row, split, options)
        if isinstance(made, str):
            left_out[made] += 1
            continue
        for line in made:
            files.add(line)
        written[split] += 1
        if "negatives" in form.OPTIONS:
            spare += max(0, len(row["negatives"]) - options.negatives)
    found = dict(sorted(files.lines.items()))
    return Exported(name, str(out), read, dict(sorted(written.items())), dict(sorted(left_out.items())), found, spare)


class _Files:
    """Writes lines into files, which are made when their first line comes."""

    def __init__(self, folder: Path, tables: dict[str, Sequence[str]]) -> None:
        self.lines: Counter[str] = Counter()
        self._folder, self._tables = folder, tables
        self._open: dict[str, BinaryIO] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "_Files":
        # An empty name is a temporary file that SQLite removes itself; its cache is some MB, however many keys there are.
        self._seen = self._stack.enter_context(closing(sqlite3.connect("", isolation_level=None)))
        self._seen.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")
        self._seen.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for name in self._open:
            sync(self._folder / name)

    def add(self, line: Line) -> None:
        key = f"{line.file}\0{line.key}"
        if line.key and not self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount:
            return
        if line.file not in self._open:
            path = self._folder / line.file
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[line.file] = self._stack.enter_context(path.open("wb"))
            for start, head in self._tables.items():
                if line.file.startswith(start):
                    self._open[line.file].write(_table_line(head))
        text = json_line(line.value).encode() + b"\n" if isinstance(line.value, dict) else _table_line(line.value)
        self._open[line.file].write(text)
        self.lines[line.file] += 1


def _table_line(values: Any) -> bytes:
    # Only ids of ours and numbers stand in tables: no tab or newline can be in one.
    return ("\t".join(map(str, values)) + "\n").encode()
