"""What a stage that is still running has made so far: a line of parts.jsonl per shard, each with a CRC.

A line is written after its shard, so a shard without one is not trusted; a torn or damaged line costs its shard. When the
stage is through, its manifest takes the ledger's place.
"""

import contextlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from synth.files import append_line, as_store_error, sync, write_atomically

FILE = "parts.jsonl"


@dataclass(frozen=True)
class File:
    """One file of a stage."""

    name: str
    rows: int
    bytes: int
    sha256: str
    made_from: str = ""
    """Hash of the content that it was made from; empty for a source."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Its rows by fate (schemas.counts); empty for a file of a fold."""


def note(folder: Path, file: File) -> None:
    append_line(folder / FILE, _line(file))


def _line(file: File) -> bytes:
    text = json.dumps(asdict(file), separators=(",", ":")).encode()
    return b"%08x %s" % (zlib.crc32(text), text)


def noted(folder: Path) -> dict[str, File]:
    """Return the newest entry per shard of a stage that is still running; torn and damaged lines are skipped."""
    found = {}
    with as_store_error(f"{folder / FILE}: cannot be read"), contextlib.suppress(FileNotFoundError):
        for line in (folder / FILE).read_bytes().splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                if int(line[:8], 16) == zlib.crc32(line[9:]):
                    file = File(**json.loads(line[9:]))
                    found[file.name] = file
    return found


def reopen(folder: Path, keep: Iterable[File]) -> None:
    """Make a stage's folder ready to be gone on with: only `keep` is noted, and nothing else is there."""
    with as_store_error(f"{folder}: cannot be made ready"):
        folder.mkdir(parents=True, exist_ok=True)
        kept = {file.name: file for file in keep}
        write_atomically(folder / FILE, b"".join(_line(file) + b"\n" for file in kept.values()))
        for path in folder.iterdir():
            if path.is_file() and path.name not in kept and path.name != FILE and path.suffix != ".damaged":
                path.unlink()
        sync(folder)
        sync(folder.parent)
