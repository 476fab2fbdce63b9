"""Every raw answer, on disk before it is used.

An SQLite file keyed by the hash of the rendered request: whatever is changed in a run, a request that was answered is
never sent again. Writes are grouped: all answers that arrive while one commit is under way share the next one, so that
durability costs a commit per group and not per answer. SQLite's own log makes a torn tail harmless; a checksum per
answer catches what a disk does later.
"""

import asyncio
import contextlib
import json
import logging
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

from synth.engines import Response
from synth.errors import StoreError

FILE = "responses/journal.sqlite"
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def opened(run: Path) -> Iterator["Journal"]:
    """Open the journal of a run, making it when it is new. Raises StoreError when it cannot be written, or is none."""
    path = run / FILE
    with _as_store_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two connections: in WAL mode a reader does not wait for the writer. `None` leaves transactions to us.
        reader, writer = (sqlite3.connect(path, isolation_level=None, check_same_thread=False) for _ in range(2))
    with contextlib.closing(reader), contextlib.closing(writer):
        with _as_store_error(path):
            writer.execute("PRAGMA journal_mode=WAL")
            writer.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut, not just a kill
            writer.execute(
                "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"
            )
            reader.execute("SELECT key, body FROM answers LIMIT 0")  # one that is there may be of another form
        made = Journal(path, reader, writer)
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
            fix="move the file away: shards that are finished need it no more, and what they lack is asked again"
            if damaged
            else "free disk space or mend permissions, then run the same command again: what was answered is kept",
        ) from error


class Journal:
    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer
        self._waiting: list[tuple[bytes, bytes, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        (number,) = self._reader.execute("SELECT count(*) FROM answers").fetchone()
        return int(number)

    async def get(self, key: str) -> Response | None:
        """Return the answer to the request with this key, or null when it was never answered, or is damaged."""
        with _as_store_error(self._path):
            found = self._reader.execute("SELECT body FROM answers WHERE key = ?", (bytes.fromhex(key),)).fetchone()
        if found is None:
            return None
        body = found[0]
        if isinstance(body, bytes) and zlib.crc32(body[4:]) == int.from_bytes(body[:4], "big"):
            with contextlib.suppress(TypeError):  # of another version: as good as damaged
                return Response(*json.loads(body[4:]))
        _log.warning("%s: the answer %s is damaged, and asked for again: is the disk sound?", self._path, key)
        return None

    async def put(self, key: str, response: Response) -> None:
        """Return when the answer is on disk."""
        body = json.dumps(astuple(response), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((bytes.fromhex(key), zlib.crc32(body).to_bytes(4, "big") + body, saved))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._commit_groups())
        await saved

    def flush(self) -> None:
        """Commit what is still waiting, its rows cancelled: it was paid for. Once more is no harm, if a commit has just ended."""
        if self._waiting:
            self._commit([(key, body) for key, body, _ in self._waiting])
            self._waiting = []

    async def _commit_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                with _as_store_error(self._path):
                    await asyncio.to_thread(self._commit, [(key, body) for key, body, _ in group])
            except asyncio.CancelledError:
                self._waiting = group + self._waiting  # the commit may not have begun: `flush` makes it
                raise
            except Exception as failure:  # whatever it is, those who wait must hear of it
                error = failure
            for _, _, saved in group:
                if not saved.done():
                    saved.set_exception(error) if error else saved.set_result(None)

    def _commit(self, group: list[tuple[bytes, bytes]]) -> None:
        self._writer.execute("BEGIN")
        try:
            self._writer.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", group)
            self._writer.execute("COMMIT")
        except sqlite3.Error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
