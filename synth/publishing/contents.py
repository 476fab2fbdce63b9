"""What is published: the files of a finished dataset, the report if there is one, and `synth.json`, which lists them.

`synth.json` is how a later run tells its own files from a stranger's. It says nothing of the machine or of the time.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from synth import __version__, earlier, pipeline, store
from synth.config import Config
from synth.files import as_store_error, sha256

MANIFEST = "synth.json"
REPORT = "report.html"
FOLDERS = ("data/", "scored_pairs/")
"""Where a dataset's rows are."""
_ABOUT = "Written by `synth publish`: the files it put here. It overwrites and removes no others."


@dataclass(frozen=True)
class Item:
    """One file to publish."""

    source: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    run: str
    rows: int
    items: Mapping[str, Item]
    """By path at the destination."""

    @cached_property
    def digest(self) -> str:
        """Hash of card, shards and figures, byte for byte. The report is left out: it has times, which say nothing of
        the rows."""
        return store.digest(
            *(part for path in sorted(self.items) if path != REPORT for part in (path, self.items[path].sha256))
        )

    @property
    def tag(self) -> str:
        """Name of the dataset as it is: the same dataset has the same tag, another one another."""
        return f"{re.sub(r'[.]+', '.', self.run)}-{self.digest[:12]}"  # git takes no `..` in a name

    def manifest(self, etags: Mapping[str, str] | None = None) -> bytes:
        said = {
            "about": _ABOUT,
            "synth": __version__,
            "run": self.run,
            "rows": self.rows,
            "dataset": self.digest,
            "files": {path: {"bytes": item.bytes, "sha256": item.sha256} for path, item in sorted(self.items.items())},
            **({"etags": dict(sorted(etags.items()))} if etags else {}),
        }
        return json.dumps(said, indent=1, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class Listed:
    """What a `synth.json` says."""

    run: str
    dataset: str
    files: Mapping[str, str]
    """SHA-256 by path."""
    etags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes) -> "Listed | None":
        """Return what it says, or null when it is none of ours."""
        try:
            raw = json.loads(data)
            files = {str(path): str(file["sha256"]) for path, file in raw["files"].items()}
            etags = {str(path): str(etag) for path, etag in raw.get("etags", {}).items()}
            return cls(str(raw["run"]), str(raw["dataset"]), files, etags)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


def of(config: Config) -> Contents:
    """List what a finished run, or a dataset of releases, has to publish. Raises StoreError when it is not finished."""
    stage = earlier.whole(config.folder) or pipeline.build(config).publish
    folder = config.folder / stage.folder
    found = store.finished(folder, stage)
    items = {file.name: Item(folder / file.name, file.bytes, file.sha256) for file in found.files}
    report = config.folder / REPORT
    if report.is_file():
        with as_store_error(f"{report}: cannot be read"):
            items[REPORT] = Item(report, report.stat().st_size, sha256(report))
    rows = sum(file.rows for file in found.parts if file.name.startswith("data/"))
    return Contents(config.name, rows, items)


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
