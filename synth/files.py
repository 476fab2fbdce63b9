"""Files and folders that appear whole or not at all, also after a power cut."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from synth.errors import StoreError


@contextlib.contextmanager
def as_store_error(doing: str) -> Iterator[None]:
    """Turn what the system says of a full disk or a read-only folder into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        again = "run the same command again: what is finished is kept"
        gone = isinstance(error, FileNotFoundError)
        raise StoreError(
            f"{doing}: {error.strerror or error}",
            fix=f"did somebody move or delete it? {again.capitalize()}"
            if gone
            else f"free disk space or mend permissions, then {again}",
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under another name, make sure that it is on the disk, then give it its name."""
    with as_store_error(f"{path}: cannot be written"):
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
        sync(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append a line and return when it is on the disk. A crash can leave a part of it: readers must be able to tell."""
    with as_store_error(f"{path}: cannot be written"):
        new = not path.exists()
        with path.open("ab+") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # the torn line of a killed process must not spoil this one
                    line = b"\n" + line
            stream.write(line + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        if new:
            sync(path.parent)


def sync(path: Path) -> None:
    """Ask the system to put a file or a folder's list of names on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a folder with all that is in it; of a link, the link."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def fresh_folder(folder: Path) -> Path:
    """Return an empty folder beside `folder`, to be put in its place by `replace_folder`."""
    making = folder.with_name(f".{folder.name}.new")
    with as_store_error(f"{folder}: cannot be made"):
        remove(making)
        making.mkdir(parents=True)
    return making


def replace_folder(making: Path, folder: Path) -> None:
    with as_store_error(f"{folder}: cannot be put in place"):
        old = folder.with_name(f".{folder.name}.old")
        remove(old)
        if folder.exists():
            folder.rename(old)
        making.rename(folder)
        sync(folder.parent)
        remove(old)
