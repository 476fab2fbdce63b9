"""A folder, or a bucket by fsspec (s3://, gs://, …), as a destination.

A store has no commits, so the order counts. First `synth.begun.json` says what is coming, so that files of a killed upload
are known as ours; then the files; then what is no longer part of it goes; `synth.json` is the last that is written. Who
reads meanwhile can see new shards beside old ones: read after `synth.json` has changed.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from synth import objects
from synth.errors import ConfigError, StoreError, SynthError
from synth.files import sync
from synth.publishing.changes import Changes, There
from synth.publishing.contents import MANIFEST, Contents, Listed
from synth.publishing.passing import Passing
from synth.secrets import redact

_BEGUN = "synth.begun.json"
_CHUNK = 2**20
_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"}
"""Stores in which a file appears when all of it is there; in others it gets its name by a rename."""
_AGAIN = "run the same command again: what is there is not sent again"


class Storage:
    def __init__(self, url: str) -> None:
        self.name = redact(url)
        self._protocol = urlsplit(url).scheme if "://" in url else "file"
        with self._explained():
            self._fs, self._root = objects.store(url)

    def look(self, wanted: Contents) -> There:
        self._is_elsewhere(wanted)
        with self._explained():
            self._fs.invalidate_cache()
            found = self._fs.find(self._root, detail=True)
            infos = {path.removeprefix(f"{self._root}/"): info for path, info in found.items()}
            listed = Listed.read(self._read(MANIFEST)) if MANIFEST in infos else None
            begun_by, begun = _begun(self._read(_BEGUN)) if _BEGUN in infos else (None, {})
        left = {path: frozenset(hashes) for path, hashes in begun.items()}
        for path, digest in (listed.files if listed else {}).items():
            left[path] = left.get(path, frozenset()) | {digest}
        return There(
            files={path: info["size"] for path, info in infos.items() if path != _BEGUN and not _is_making(path)},
            left=left,
            run=listed.run if listed else begun_by,
            sha256=self._hasher(infos, listed),
            is_listed_so=bool(listed and _BEGUN not in infos and _same(listed, wanted)),
        )

    def _is_elsewhere(self, wanted: Contents) -> None:
        run = wanted.items["README.md"].source.resolve().parent.parent
        if self._protocol in ("file", "local") and Path(self._root).resolve().is_relative_to(run):
            raise ConfigError(f"--to {self.name}: it is in the run's own folder {run}", fix="give another folder")

    def send(self, wanted: Contents, changes: Changes, there: There) -> str:
        with self._explained():
            self._put(_BEGUN, _beginning(wanted, there))
            for path in (path for path in (*changes.add, *changes.change) if path != MANIFEST):
                self._copy(wanted.items[path].source, path)
            for path in changes.remove:
                self._fs.rm_file(self._at(path))
            self._fs.invalidate_cache()
            etags = {path: etag for path in wanted.items if (etag := _etag(self._fs.info(self._at(path))))}
            self._put(MANIFEST, wanted.manifest(etags))
            self._fs.rm_file(self._at(_BEGUN))
        return self.name

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _read(self, path: str) -> bytes:
        data: bytes = self._fs.cat_file(self._at(path))
        return data

    def _put(self, path: str, data: bytes) -> None:
        self._in_place(path, lambda at: self._fs.pipe_file(at, data))

    def _copy(self, source: Path, path: str) -> None:
        self._in_place(path, lambda at: self._fs.put_file(str(source), at))

    def _in_place(self, path: str, write: Callable[[str], None]) -> None:
        if self._protocol in _WHOLE:
            write(self._at(path))
            return
        folder, _, name = self._at(path).rpartition("/")
        self._fs.makedirs(folder, exist_ok=True)
        making = f"{folder}/.{name}.making"
        write(making)
        if self._protocol in ("file", "local"):
            sync(Path(making))
        self._fs.mv(making, self._at(path))

    def _hasher(self, infos: Mapping[str, Any], listed: Listed | None) -> Callable[[str], str]:
        """Where the store's own mark of a file (ETag) is as it was left, its content is what synth.json says."""

        @functools.cache
        def sha256(path: str) -> str:
            if listed and (etag := _etag(infos[path])) and listed.etags.get(path) == etag and path in listed.files:
                return listed.files[path]
            found = hashlib.sha256()
            with self._explained(), self._fs.open(self._at(path), "rb") as stream:
                while chunk := stream.read(_CHUNK):
                    found.update(chunk)
            return found.hexdigest()

        return sha256

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what a store's client raises, which may be anything, into an error that says the fix."""
        try:
            yield
        except SynthError:
            raise
        except Exception as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> SynthError:
        said = f"{self.name}: {redact(str(error)) or type(error).__name__}"
        match objects.trouble(error):
            case "denied":
                return StoreError(said, fix="give it credentials that may list, read, write and delete there")
            case "missing" if self._protocol == "file":
                return StoreError(said, fix="give a folder that can be made and written to")
            case "missing":
                return StoreError(said, fix="make the bucket, or mend its name; it must be there before")
            case "unreachable":
                return Passing(said, fix=f"is the address right, and the network there? Then {_AGAIN}")
            case _:
                return StoreError(said, fix=f"mend what it says, then {_AGAIN}")


def _same(listed: Listed, wanted: Contents) -> bool:
    files = {path: item.sha256 for path, item in wanted.items.items()}
    return (listed.run, listed.dataset, listed.files) == (wanted.run, wanted.digest, files)


def _beginning(wanted: Contents, there: There) -> bytes:
    """Say what may be there from now on. Of several uploads that were killed, each left files: all stay known."""
    coming = {path: {item.sha256} for path, item in wanted.items.items()}
    known = {
        path: sorted(there.left.get(path, frozenset()) | coming.get(path, set())) for path in {*there.left, *coming}
    }
    return json.dumps({"run": wanted.run, "files": known}, indent=1, sort_keys=True).encode() + b"\n"


def _begun(data: bytes) -> tuple[str | None, dict[str, list[str]]]:
    """Read what `_beginning` wrote: whose it is, and what may be there. Nothing of a file that is not whole: then nothing
    else was written."""
    try:
        said = json.loads(data)
        return str(said["run"]), {str(path): list(map(str, hashes)) for path, hashes in said["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, {}


def _is_making(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith(".making")


def _etag(info: Mapping[str, Any]) -> str:
    return str(info.get("ETag") or info.get("etag") or "")
