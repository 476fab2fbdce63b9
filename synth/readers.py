"""Rows out of files and Hub datasets, as a stream, each with where it came from.

A row that cannot be read is a row too: it says why, and costs nobody else. What is wrong with a whole file (no such
path, no such column, damaged) is an InputError. Local files are read by `formats`; the Hub with `datasets`.
"""

import glob
import itertools
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from synth.errors import InputError
from synth.formats import ENDINGS, TABLES, WANTED, File, Row, check_columns, peeked, unsupported
from synth.plugins import did_you_mean


def files(path: str) -> list[File]:
    """Return the files that `path` (a file, folder or glob) stands for, sorted by name.

    In a folder, hidden files are passed over; raises InputError when there is nothing that can be read.
    """
    try:
        found = _listed(path)
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, ~nobody, a NUL
        raise InputError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}", fix="mend the path"
        ) from error
    for file in found:  # a pipe would be waited for
        if file.ending in ENDINGS and file.path.exists() and not file.path.is_file():
            raise InputError(f"{file.path}: not a regular file", fix="remove it, or leave it out by a glob")
    return sorted(found, key=lambda file: file.name)


def _listed(path: str) -> list[File]:
    at = Path(path).expanduser()
    if at.is_dir():
        below = [Path(top, name) for top, _, names in os.walk(at, onerror=_unlistable) for name in names]
        found = [_file(p, at) for p in below if not any(part.startswith(".") for part in p.relative_to(at).parts)]
        if not any(file.ending in ENDINGS for file in found):
            raise InputError(
                f"{path}: no file in this folder can be read"
                + (
                    f"; endings there: {', '.join(sorted({f.ending or 'none' for f in found}))}"
                    if found
                    else ": it is empty"
                ),
                fix=f"put files into it that end in {WANTED}",
            )
    elif at.exists():
        found = [_file(at, at.parent)]
    else:
        root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), at.parts))
        # `**` finds a file twice, and by way of a link to a folder above it, many times: the shortest way counts.
        paths = sorted((p for p in map(Path, set(glob.glob(str(at), recursive=True))) if p.exists()), key=_length)
        once = {p.resolve(): p for p in reversed(paths) if not p.is_dir()}
        found = [_file(p, root) for p in once.values()]
        if not found and glob.has_magic(str(at)):
            raise InputError(f"{path}: no file matches", fix="mend the glob; `**` stands for any number of folders")
    if not found:
        there = [p.name for p in at.parent.iterdir()] if at.parent.is_dir() else []
        raise InputError(
            f"{path}: no such file or folder{did_you_mean(at.name, there)} (looked in {at.absolute().parent})",
            fix="mend the path, or give a folder or glob",
        )
    if not at.is_dir() and (odd := next((file for file in found if file.ending not in ENDINGS), None)):
        raise InputError(
            f"{odd.path}: files ending in {odd.ending or 'nothing'} cannot be read", fix=f"convert it to {WANTED}"
        )
    return found


def _length(path: Path) -> tuple[int, str]:
    return len(path.parts), str(path)


def rows(
    *,
    path: str | None = None,
    dataset: str | None = None,
    config: str | None = None,
    split: str = "train",
    revision: str | None = None,
    columns: Sequence[str] = (),
    limit: int | None = None,
    whole_files: bool = False,
) -> Iterator[Row]:
    """Yield the rows of a local `path` or of a Hub `dataset`, in order, with at least `columns` (all when empty).

    With `whole_files`, a text or source file is a row (number 0) whatever `columns` are: they are those of tables.
    Raises InputError where a path, file, dataset or column is not there or cannot be read.
    """
    if path is not None:
        source = read(files(path), columns, whole_files)
    elif dataset is not None:
        source = _hub(dataset, config, split, revision, columns)
    else:
        raise ValueError("neither path nor dataset")
    return itertools.islice(source, limit)


def read(found: Iterable[File], columns: Sequence[str] = (), whole_files: bool = False) -> Iterator[Row]:
    """Yield the rows of `found`, as `rows` does."""
    for file in found:
        try:
            wanted = columns if file.ending in TABLES or not whole_files else ()
            yield from ENDINGS.get(file.ending, unsupported)(file, wanted)
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            raise InputError(
                f"{file.path}: cannot be read: {getattr(error, 'strerror', None) or error}",
                fix="is it whole, and may you read it? Replace it, or leave it out",
            ) from error


def stamp(file: File) -> tuple[str, int, int]:
    """Return name, bytes and nanoseconds of the last change: what tells that a file is still the same."""
    try:
        stat = file.path.stat()
    except OSError as error:
        raise InputError(f"{file.path}: cannot be read: {error.strerror}", fix="mend or remove the link") from error
    return file.name, stat.st_size, stat.st_mtime_ns


def _unlistable(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be listed: {error.strerror}", fix="mend its permissions") from error


def _file(path: Path, root: Path) -> File:
    name = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")  # two odd names stay two
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    ending = suffixes[0] if len(suffixes) == 2 and suffixes[1] == ".gz" and suffixes[0] != ".parquet" else ""
    return File(path, name, ending or path.suffix.lower())


def _hub(dataset: str, config: str | None, split: str, revision: str | None, columns: Sequence[str]) -> Iterator[Row]:
    where = " ".join(part for part in (dataset, config, split) if part)
    try:
        import datasets

        stream = datasets.load_dataset(dataset, config, split=split, revision=revision, streaming=True)
        if stream.column_names:
            check_columns(where, columns, stream.column_names)
        name = f"{dataset}/{split}"
        found = (Row(name, number, values) for number, values in enumerate(stream, 1))
        yield from found if stream.column_names else peeked(where, columns, found)
    except (InputError, GeneratorExit):
        raise
    except Exception as error:  # `datasets` raises anything: HTTP errors, ValueError, its own; all are the input's
        raise InputError(
            f"dataset {where}: cannot be read: {type(error).__name__}: {error}",
            fix="check its name, `config`, `split` and `revision`, the network, and whether it asks for a token (HF_TOKEN)",
        ) from error
