"""A file of things that are too dear to compute twice, by key: answers of an LLM, vectors.

SQLite: what `put` has returned from survives a kill and a power cut. Writes are grouped: all that arrives while one commit
is under way shares the next, so that durability costs a commit per group. SQLite's own log makes a torn tail harmless; a
checksum per entry catches what a disk does later.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from synth.errors import StoreError

_log = logging.getLogger(__name__)
_KEYS = 500
"""Keys per query: SQLite takes 32,766 variables, but plans anew for each number of them."""


class Keep(Protocol):
    """What a stage sees of such a file, wherever it is."""

    async def get(self, key: bytes) -> bytes | None:
        """Return what was put under a key, or null: nothing was, or it is damaged."""

    async def put(self, key: bytes, body: bytes) -> None:
        """Return when it is on disk. Raises StoreError."""

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return what there is under these keys."""

    def put_many(self, bodies: Mapping[bytes, bytes]) -> None:
        """Put all or none, and return when they are on disk. Raises StoreError."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator["Kept"]:
    """Open the file, making it when it is new. Raises StoreError when it cannot be written, or is none."""
    with _as_store_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two connections: in WAL mode a reader does not wait for the writer. `None` leaves transactions to us.
        reader, writer = (sqlite3.connect(path, isolation_level=None, check_same_thread=False) for _ in range(2))
    with contextlib.closing(reader), contextlib.closing(writer):
        with _as_store_error(path):
            writer.execute("PRAGMA journal_mode=WAL")
            writer.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut, not just a kill
            # With row ids: without them SQLite keeps only a quarter of a page in the tree, and a body of 1.5 KB takes 4.7.
            writer.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, body BLOB NOT NULL)")
            reader.execute("SELECT key, body FROM answers LIMIT 0")  # one that is there may be of another form
        made = Kept(path, reader, writer)
        try:
            yield made
        finally:
            with _as_store_error(path):
                made.flush()


@contextlib.contextmanager
def _as_store_error(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last of a damaged table of contents
        damaged = isinstance(error, UnicodeDecodeError) or (
            isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        )
        raise StoreError(
            f"{path}: {error}",
            fix="move the file away: shards that are finished need it no more, and what they lack is made again"
            if damaged
            else "free disk space or mend permissions, then run the same command again: what was done is kept",
        ) from error


class Kept:
    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self.path = path
        self._reader = reader
        self._writer = writer
        self._turn = threading.Lock()
        self._waiting: list[tuple[bytes, bytes, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._wanted: list[tuple[bytes, asyncio.Future[bytes | None]]] = []

    def __len__(self) -> int:
        (number,) = self._reader.execute("SELECT count(*) FROM answers").fetchone()
        return int(number)

    async def get(self, key: bytes) -> bytes | None:
        loop = asyncio.get_running_loop()
        wanted: asyncio.Future[bytes | None] = loop.create_future()
        self._wanted.append((key, wanted))
        if len(self._wanted) == 1:
            loop.call_soon(self._get_group)  # with all that ask until then: each query waits for the writer's thread
        return await wanted

    def _get_group(self) -> None:
        group, self._wanted = self._wanted, []
        try:
            found = self.get_many([key for key, _ in group])
        except Exception as failure:  # those who wait must hear of it
            for _, wanted in group:
                if not wanted.done():
                    wanted.set_exception(failure)
            return
        for key, wanted in group:
            if not wanted.done():
                wanted.set_result(found.get(key))

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for at in range(0, len(keys), _KEYS):
            some = list(keys[at : at + _KEYS])
            marks = ", ".join("?" * len(some))
            with _as_store_error(self.path):
                rows = self._reader.execute(f"SELECT key, body FROM answers WHERE key IN ({marks})", some).fetchall()
            found |= {key: body for key, raw in rows if (body := self._sound(key, raw)) is not None}
        return found

    def put_many(self, bodies: Mapping[bytes, bytes]) -> None:
        with _as_store_error(self.path):
            self._commit((key, _summed(body)) for key, body in bodies.items())

    async def put(self, key: bytes, body: bytes) -> None:
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, _summed(body), saved))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._commit_groups())
        await saved

    def flush(self) -> None:
        """Commit what is still waiting, its rows cancelled: it was paid for. Once more is no harm, if a commit has just ended."""
        if self._waiting:
            self._commit([(key, body) for key, body, _ in self._waiting])
            self._waiting = []

    def _sound(self, key: bytes, body: object) -> bytes | None:
        if isinstance(body, bytes) and zlib.crc32(body[4:]) == int.from_bytes(body[:4], "big"):
            return body[4:]
        _log.warning("%s: entry %s is damaged, and made again: is the disk sound?", self.path, key.hex())
        return None

    async def _commit_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                with _as_store_error(self.path):
                    await asyncio.to_thread(self._commit, [(key, body) for key, body, _ in group])
            except asyncio.CancelledError:
                self._waiting = group + self._waiting  # the commit may not have begun: `flush` makes it
                raise
            except Exception as failure:  # whatever it is, those who wait must hear of it
                error = failure
            for _, _, saved in group:
                if not saved.done():
                    saved.set_exception(error) if error else saved.set_result(None)

    def _commit(self, group: Iterable[tuple[bytes, bytes]]) -> None:
        with self._turn:
            self._writer.execute("BEGIN")
            try:
                for some in _in_powers_of_two(list(group)):
                    marks = ", ".join(["(?, ?)"] * len(some))
                    values = [value for entry in some for value in entry]
                    self._writer.execute(f"INSERT OR REPLACE INTO answers VALUES {marks}", values)
                self._writer.execute("COMMIT")
            except sqlite3.Error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise


def _in_powers_of_two(entries: list[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield 256 entries at once, then 128, 64 and so on. A statement for each entry would hand the interpreter's lock to
    and fro with the event loop, which is busy: with few statements of few sizes, all are planned once."""
    at, size = 0, 256
    while at < len(entries):
        while size > len(entries) - at:
            size //= 2
        yield entries[at : at + size]
        at += size


def _summed(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big") + body
