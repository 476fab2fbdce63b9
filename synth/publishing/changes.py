"""What differs between what is to be published and what is there, and what there is not ours to touch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from synth.publishing.contents import FOLDERS, MANIFEST, Contents

_ROWS = (".parquet", ".arrow", ".jsonl", ".csv", ".jsonl.gz", ".csv.gz")


@dataclass(frozen=True)
class There:
    """What is at the destination now."""

    files: Mapping[str, int]
    """Bytes by path."""
    left: Mapping[str, frozenset[str]]
    """SHA-256 that publishing left, or may have left when it was killed, by path."""
    run: str | None
    """Run whose dataset it is; null when no `synth.json` of ours is there."""
    sha256: Callable[[str], str]
    """Of a file that is there; may read it."""
    is_listed_so: bool = False
    """Whether its `synth.json` says what ours would."""
    makes: tuple[str, ...] = ()
    """What else would be made: repository, branch, tag."""
    revision: str = ""
    """Commit that was looked at."""


@dataclass(frozen=True)
class Changes:
    add: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    strangers: Mapping[str, str] = field(default_factory=dict)
    """Files that publishing did not leave there as they are, and why each stands in the way."""

    def __bool__(self) -> bool:
        return bool(self.add or self.change or self.remove)


def compare(wanted: Contents, there: There) -> Changes:
    """Compare by content. A file that is there as it should be is no stranger, whoever put it there."""
    add, change, same, strangers = list[str](), list[str](), list[str](), dict[str, str]()
    for path, item in wanted.items.items():
        if path not in there.files:
            add.append(path)
        elif there.files[path] == item.bytes and there.sha256(path) == item.sha256:
            same.append(path)
        else:
            change.append(path)
    others = sorted(there.files.keys() - wanted.items.keys() - {MANIFEST})
    remove = [path for path in others if path in there.left or (_is_rows(path) and path.startswith(FOLDERS))]
    if MANIFEST not in there.files:
        add.append(MANIFEST)
    elif there.is_listed_so and not (add or change or remove):
        same.append(MANIFEST)
    else:
        change.append(MANIFEST)
    strangers |= dict(_strangers(wanted, there, change, others))
    return Changes(tuple(add), tuple(change), tuple(remove), tuple(same), strangers)


def _strangers(wanted: Contents, there: There, change: list[str], others: list[str]) -> Iterator[tuple[str, str]]:
    if there.run is None and MANIFEST in there.files:
        yield MANIFEST, "not as `synth publish` writes it"
    if there.run not in (None, wanted.run):
        yield MANIFEST, f"it is the dataset of run {there.run!r}"
    for path in [path for path in change if path != MANIFEST]:
        if path not in there.left:
            yield path, "would be overwritten, and is not listed in synth.json"
        elif there.sha256(path) not in there.left[path]:
            yield path, "would be overwritten, and was changed since it was published"
    for path in others:
        if path in there.left:
            if there.sha256(path) not in there.left[path]:
                yield path, "would be removed, and was changed since it was published"
        elif _is_rows(path) and (there.run is None or path.startswith(FOLDERS)):
            yield path, "has rows, and is not listed in synth.json"


def _is_rows(path: str) -> bool:
    return path.lower().endswith(_ROWS)
