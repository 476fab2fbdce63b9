"""Rows out of files, objects in a store and Hub datasets, as a stream, each with where it came from.

A row that cannot be read is a row too: it says why, and costs nobody else. What is wrong with a whole file (no such
path, no such column, damaged) is an InputError. Files and objects are read by `formats`; the Hub with `datasets`.
"""

import glob
import itertools
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from synth import objects
from synth.errors import InputError, SynthError
from synth.formats import ENDINGS, TABLES, WANTED, File, Row, check_columns, peeked, unsupported
from synth.objects import Object, is_url
from synth.plugins import did_you_mean
from synth.secrets import redact

_BROKEN = (OSError, EOFError, zlib.error, pa.ArrowException)
"""What a file on disk that is damaged or may not be read raises. A store's client may raise anything."""


def files(path: str) -> list[File]:
    """Return the files that `path` (a file, folder or glob, on disk or in a store) stands for, sorted by name.

    In a folder, hidden files are passed over; raises InputError when there is nothing that can be read.
    """
    if is_url(path):
        return sorted(_in_store(path), key=lambda file: file.name)
    try:
        found = _listed(path)
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, ~nobody, a NUL
        raise InputError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}", fix="mend the path"
        ) from error
    for file in found:  # a pipe would be waited for
        at = file.path
        if file.ending in ENDINGS and isinstance(at, Path) and at.exists() and not at.is_file():
            raise InputError(f"{file.path}: not a regular file", fix="remove it, or leave it out by a glob")
    return sorted(found, key=lambda file: file.name)


def _listed(path: str) -> list[File]:
    at = Path(path).expanduser()
    if at.is_dir():
        below = [Path(top, name) for top, _, names in os.walk(at, onerror=_unlistable) for name in names]
        found = [_file(p, at) for p in below if not any(part.startswith(".") for part in p.relative_to(at).parts)]
        _check_folder(path, found)
    elif at.exists():
        found = [_file(at, at.parent)]
    else:
        root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), at.parts))
        # `**` finds a file twice, and by way of a link to a folder above it, many times: the shortest way counts.
        paths = sorted((p for p in map(Path, set(glob.glob(str(at), recursive=True))) if p.exists()), key=_length)
        once = {p.resolve(): p for p in reversed(paths) if not p.is_dir()}
        found = [_file(p, root) for p in once.values()]
        if not found and glob.has_magic(str(at)):
            raise _unmatched(path)
    if not found:
        there = [p.name for p in at.parent.iterdir()] if at.parent.is_dir() else []
        raise InputError(
            f"{path}: no such file or folder{did_you_mean(at.name, there)} (looked in {at.absolute().parent})",
            fix="mend the path, or give a folder or glob",
        )
    if not at.is_dir():
        _check_endings(found)
    return found


def _in_store(url: str) -> list[File]:
    kind, listed, beside = objects.listed(url)
    found = [File(there, name, _ending(there)) for there, name in listed]
    if kind == "folder":
        _check_folder(redact(url), found)
        return found
    if not found and kind == "glob":
        raise _unmatched(redact(url))
    if not found:
        name = url.rstrip("/").rpartition("/")[2]
        raise InputError(
            f"{redact(url)}: no such object or folder{did_you_mean(name, beside)}",
            fix="mend the name, or give a folder or glob",
        )
    _check_endings(found)
    return found


def _check_folder(path: str, found: Sequence[File]) -> None:
    if not any(file.ending in ENDINGS for file in found):
        endings = ", ".join(sorted({file.ending or "none" for file in found}))
        raise InputError(
            f"{path}: no file in this folder can be read"
            + (f"; endings there: {endings}" if found else ": it is empty"),
            fix=f"put files into it that end in {WANTED}",
        )


def _check_endings(found: Sequence[File]) -> None:
    if odd := next((file for file in found if file.ending not in ENDINGS), None):
        raise InputError(
            f"{odd.path}: files ending in {odd.ending or 'nothing'} cannot be read", fix=f"convert it to {WANTED}"
        )


def _unmatched(path: str) -> InputError:
    return InputError(f"{path}: no file matches", fix="mend the glob; `**` stands for any number of folders")


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
    found: Iterable[File] | None = None,
) -> Iterator[Row]:
    """Yield the rows of a `path` (on disk or in a store) or of a Hub `dataset`, in order, with at least `columns` (all when empty).

    `found` are the files of `path`, where they have been listed before: an object that has changed since is an error.
    With `whole_files`, a text or source file is a row (number 0) whatever `columns` are: they are those of tables.
    Raises InputError where a path, file, dataset or column is not there or cannot be read.
    """
    if path is not None:
        source = read(files(path) if found is None else found, columns, whole_files)
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
        except SynthError:
            raise
        except Exception as error:
            if isinstance(file.path, Object) and not isinstance(error, pa.ArrowException | EOFError | zlib.error):
                raise objects.problem(file.path, error) from error
            if not isinstance(error, _BROKEN):
                raise
            raise InputError(
                f"{file.path}: cannot be read: {getattr(error, 'strerror', None) or error}",
                fix="is it whole, and may you read it? Replace it, or leave it out",
            ) from error


def stamp(file: File) -> tuple[str, int, int | str]:
    """Return name, bytes and nanoseconds of the last change (of an object: its store's mark): what tells that a file is still
    the same."""
    if isinstance(file.path, Object):
        return file.name, file.path.size, file.path.mark
    try:
        stat = file.path.stat()
    except OSError as error:
        raise InputError(f"{file.path}: cannot be read: {error.strerror}", fix="mend or remove the link") from error
    return file.name, stat.st_size, stat.st_mtime_ns


def _unlistable(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be listed: {error.strerror}", fix="mend its permissions") from error


def _file(path: Path, root: Path) -> File:
    name = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")  # two odd names stay two
    return File(path, name, _ending(path))


def _ending(path: Path | Object) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    ending = suffixes[0] if len(suffixes) == 2 and suffixes[1] == ".gz" and suffixes[0] != ".parquet" else ""
    return ending or path.suffix.lower()


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
