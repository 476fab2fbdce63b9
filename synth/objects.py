"""Files in object storage (s3://, gs://, …), by fsspec: listed, told apart and opened as those on disk are.

An object is read as a stream, a block at a time, and is the one that was listed or an error: its mark (ETag) is looked at
again when it is opened.
"""

import glob
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import IO, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from synth.errors import ConfigError, InputError, install
from synth.secrets import redact

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_BLOCK = 8 * 2**20
"""Bytes asked for at once of a file that is read from its beginning. fsspec's own 50 MB would be held for each file."""
_MARKS = (
    "ETag",
    "etag",
    "generation",
    "md5Hash",
    "content_md5",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "updated",
    "mtime",
    "created",
)
"""What stores call what tells that an object is still the same, the surest first."""

Trouble = Literal["denied", "missing", "unreachable", "changed", "other"]


def is_url(path: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path) is not None


def store(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL or path, and the place in it. Raises ConfigError where there is no such."""
    import fsspec

    protocol = urlsplit(url).scheme if is_url(url) else "file"
    try:
        fs, place = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        fix = install(extra) if extra else "install the package that fsspec names"
        raise ConfigError(f"{redact(url)}: {redact(str(error))}", fix=fix) from error
    except ValueError as error:
        raise ConfigError(
            f"{redact(url)}: {redact(str(error))}",
            fix="a folder, s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, or another of fsspec's",
        ) from error
    return fs, place.rstrip("/")


def trouble(error: BaseException) -> Trouble:
    """Say what kind of trouble a store's client has: they raise OSErrors, their own, and those of what they are made of."""
    kind, said = type(error).__name__, str(error)
    if (
        kind == "FileExpired" or "PreconditionFailed" in kind + said or "pre-condition" in said
    ):  # FileExpired is s3fs's own
        return "changed"
    if isinstance(error, PermissionError) or "Credential" in kind:
        return "denied"
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, ConnectionError | TimeoutError) or "Connect" in kind or "Timeout" in kind:
        return "unreachable"
    return "other"


_FIXES: Mapping[Trouble, str] = {
    "denied": "give credentials that may list and read there: see docs/storage.md",
    "missing": "mend the bucket's or the object's name",
    "unreachable": "is the address right (AWS_ENDPOINT_URL), and the network there? Then run the same command again",
    "changed": "run the same command again: what is there now is read",
    "other": "mend what it says, then run the same command again",
}


def problem(where: object, error: Exception) -> InputError:
    """Return the error for what a store's client raised."""
    said = redact(str(error)) or type(error).__name__
    return InputError(f"{redact(str(where))}: cannot be read: {said}", fix=_FIXES[trouble(error)])


@dataclass(frozen=True)
class Object:
    """What formats and readers ask of a pathlib.Path, of an object in a store."""

    url: str
    key: str
    size: int
    """Bytes."""
    mark: str
    """The store's own: another object of the same name has another one."""
    fs: Any = field(repr=False, compare=False)

    def __str__(self) -> str:
        return redact(self.url)

    @cached_property
    def suffix(self) -> str:
        return PurePosixPath(self.key).suffix

    @cached_property
    def suffixes(self) -> list[str]:
        return PurePosixPath(self.key).suffixes

    def open(self, mode: str = "rb", *, in_order: bool = True) -> IO[bytes]:
        """Open it for reading; not `in_order`, nothing is read ahead. Raises InputError where it is another by now."""
        self.fs.invalidate_cache(self.key)
        if (found := _mark(self.key, self.fs.info(self.key))) != self.mark:
            raise InputError(
                f"{self}: has changed since the run looked at it ({self.mark} is {found})", fix=_FIXES["changed"]
            )
        cache = "readahead" if in_order else "none"
        raw = self.fs.open(self.key, mode, block_size=_BLOCK, cache_type=cache)
        return io.BufferedReader(raw, 2**20) if in_order else raw


class Listing(NamedTuple):
    kind: Literal["file", "folder", "glob"]
    found: list[tuple[Object, str]]
    """Objects, and their names below the folder that was asked for."""
    beside: list[str]
    """Where nothing was found: what is there instead."""


def listed(url: str) -> Listing:
    """Return the objects that `url` (an object, a folder, or a glob) stands for.

    As on disk, what is hidden is passed over in a folder, and by a glob that does not name it. Raises ConfigError where the
    package is missing, and InputError where the store, the bucket or the credentials are at fault.
    """
    if urlsplit(url).password:
        raise ConfigError(
            f"{redact(url)}: has a password in it", fix="keys go into the environment: see docs/storage.md"
        )
    fs, place = store(url)
    try:
        fs.invalidate_cache()
        return _listed(url, fs, place)
    except (InputError, ConfigError):
        raise
    except Exception as error:
        raise problem(url, error) from error


def _listed(url: str, fs: Any, place: str) -> Listing:
    info = _info(fs, place)
    if info and info["type"] == "file" and not url.endswith("/"):
        return Listing("file", [(_object(fs, place, info), PurePosixPath(place).name)], [])
    if info:
        inside = {key: item for key, item in fs.find(place, detail=True).items() if _is_file(key, item)}
        names = {key: key.removeprefix(f"{place}/") for key in inside}
        shown = [key for key in inside if not _is_hidden(names[key])]
        return Listing("folder", [(_object(fs, key, inside[key]), names[key]) for key in shown], [])
    if glob.has_magic(place):
        root, pattern = _parted(place)
        named = any(part.startswith(".") for part in pattern.split("/"))
        _is_there(fs, root)
        matched = {key: item for key, item in fs.glob(place, detail=True).items() if _is_file(key, item)}
        names = {key: key.removeprefix(f"{root}/") for key in matched}
        return Listing(
            "glob", [(_object(fs, key, matched[key]), names[key]) for key in matched if named or not _is_hidden(names[key])], []
        )  # fmt: skip
    parent = place.rpartition("/")[0]
    _is_there(fs, parent or place)
    beside = [PurePosixPath(item["name"]).name for item in fs.ls(parent, detail=True)] if _info(fs, parent) else []
    return Listing("file", [], beside)


def _is_there(fs: Any, place: str) -> None:
    """Raise FileNotFoundError where the bucket is not there: a name that nothing has would hide that."""
    bucket = "" if is_url(place) else place.partition("/")[0]
    if bucket and _info(fs, bucket) is None:
        raise FileNotFoundError(f"there is no bucket {bucket!r}, or it is not yours to see")


def _info(fs: Any, place: str) -> Mapping[str, Any] | None:
    if not place:
        return None
    try:
        info: Mapping[str, Any] = fs.info(place)
    except FileNotFoundError:
        return None
    return info


def _parted(place: str) -> tuple[str, str]:
    """Cut a glob into the folder above what is magic in it, and the rest."""
    parts = place.split("/")
    first = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]), "/".join(parts[first:])


def _is_file(key: str, info: Mapping[str, Any]) -> bool:
    return bool(info["type"] == "file") and not key.endswith("/")  # a store's own console makes objects for folders


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _object(fs: Any, key: str, info: Mapping[str, Any]) -> Object:
    return Object(fs.unstrip_protocol(key), key, int(info["size"] or 0), _mark(key, info), fs)


def _mark(key: str, info: Mapping[str, Any]) -> str:
    for name in _MARKS:
        if info.get(name) is not None:
            return f"{name} {info[name]}".replace('"', "")
    raise InputError(
        f"{redact(key)}: its store does not say when it was changed, so nobody could tell that it is still the same",
        fix="copy it to disk, or to a store with ETags or times",
    )
