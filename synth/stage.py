"""The one abstraction: a named step from Arrow tables to Arrow tables, whose fingerprint says when it must run again.

Three kinds, because data can only move in three ways:

- a `Source` brings rows into the house, as a stream of shards;
- a `Map` turns one shard into one shard, and keeps every row it was given (`Rounds` is a map that goes through the
  shards again for each order it is given);
- a `Fold` needs all rows at once, reads as few columns as it can, and leaves files that later maps look things up in.

A stage knows the stages before it, its settings and the schema it writes; it knows nothing of who runs it. Executors
(`synth/executors/`) know these three kinds, and never a particular stage.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import pyarrow as pa

from synth import kept
from synth.kept import Keep
from synth.settings import fingerprint
from synth.stop import Stop


class Progress(Protocol):
    """Where a running stage says how far it is."""

    def advance(self, rows: int, ok: int, **totals: float) -> None:
        """Add `rows` finished rows, of which `ok` are in the running, and add to named totals (tokens, say)."""


@dataclass(frozen=True)
class Workspace:
    """What a stage may touch on disk while it runs."""

    folder: Path
    """The stage's own folder; a fold's is renamed into place once the fold is through."""
    run: Path
    """The run's folder."""
    progress: Progress
    stop: Stop = field(default_factory=Stop)
    """Whether to begin anything new."""
    keeper: Callable[[Path], AbstractContextManager[Keep]] = kept.opened
    """Opens a file of things kept by key; elsewhere than on the run's own machine, through it."""

    def of(self, stage: "Stage") -> Path:
        """Return the folder of a finished stage before this one."""
        return self.run / stage.folder

    def keep(self, name: str) -> AbstractContextManager[Keep]:
        """Open the file `name` of the run's folder, of things too dear to compute twice. Raises StoreError."""
        return self.keeper(self.run / name)


@dataclass(frozen=True, kw_only=True)
class Stage:
    name: str
    does: str
    """What the stage does, for people: `synth status` prints it."""
    writes: pa.Schema
    settings: Mapping[str, Any] = field(default_factory=dict)
    """All that shapes the output besides the stages before: part of the fingerprint, so JSON only."""
    after: tuple["Stage", ...] = ()
    """Stages read from; a map works on the shards of the first."""
    version: int = 1
    """Raised by whoever changes what the code writes, so that old results are not taken for new ones."""
    fixed_folder: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(
            {
                "stage": self.name,
                "version": self.version,
                "settings": self.settings,
                "schema": [f"{f.name}:{f.type}" for f in self.writes],
                "after": [stage.fingerprint for stage in self.after],
            }
        )

    def made(self, fingerprint: str) -> Self:
        """Return the stage as it was with other settings, so that what it left can be read."""
        found = replace(self)
        vars(found)["fingerprint"] = fingerprint  # where `cached_property` keeps it
        return found

    @property
    def folder(self) -> str:
        return self.fixed_folder or f"{self.name}-{self.fingerprint}"


@dataclass(frozen=True, kw_only=True)
class Source(Stage):
    read: Callable[[], Iterator[pa.Table]]
    """Yields one table per shard, in an order that depends on the input alone."""


@dataclass(frozen=True, kw_only=True)
class Map(Stage):
    fn: Callable[[pa.Table, Any], pa.Table | Awaitable[pa.Table]]
    """Turns a shard and the open resource into a shard. If it is a coroutine function, the executor runs it on
    several shards at once, so that a resource fed by all of them never drains between two; it then reports
    progress row by row itself."""
    open: Callable[[Workspace], AbstractContextManager[Any]] = lambda _: nullcontext()
    """Opens what `fn` needs (a model, an index), once per worker."""
    same_rows: bool = True
    """Whether `fn` returns the ids it was given, in order. The executor checks it on every shard."""
    rows_ahead: Callable[[Any], int] = lambda resource: 0
    """For coroutine functions: given the open resource, for how many input rows shards should be under way. Asked again
    and again."""
    gpus: int = 0
    """GPUs that a worker needs, where there are any."""
    judge: Callable[[Mapping[str, int]], None] = lambda counts: None
    """Told the counts of all shards before the stage is called finished; may raise to say that it must not be."""


@dataclass(frozen=True, kw_only=True)
class Rounds(Map):
    """A map that makes a shard of each shard in every round: round 2 of 10 shards are its shards 10 to 19.

    An order more makes shards more; those of the rounds before stay, and so does all that was made from them."""

    rounds: Callable[[Path], Sequence[str]]
    """Returns the orders so far, one per round, given the run's folder."""
    fn: Callable[..., pa.Table]
    """Is also given the round, from 1, and the number of the shard, from 0."""
    same_rows: bool = False


@dataclass(frozen=True, kw_only=True)
class Fold(Stage):
    fn: Callable[[Iterator[pa.Table], Workspace], Mapping[str, int]]
    """Consumes all shards of `after[0]`, in order, writes files into the workspace's folder, returns counts."""
    columns: tuple[str, ...] | None = None
    """Columns it reads; all when null."""
    same_rows: bool = False
    """Whether the counts it returns are of the rows it was given, so that they must add up to as many."""
