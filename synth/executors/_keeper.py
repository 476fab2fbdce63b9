"""Files of things kept by key, from other machines: one process owns the files, the others send it what they have.

SQLite wants one writer, and no network file system under its log. So a `Keeper` on the driver's node opens the files, as
a run without a cluster would, and each worker has a `Client` per file. A client has one call of a kind under way; what comes
in the meantime goes with the next, so that a call costs as little as a commit does.
"""

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from synth import kept
from synth.errors import StoreError, SynthError
from synth.kept import Kept

A = TypeVar("A")
R = TypeVar("R")


class Keeper:
    """Owns the files. Becomes an actor whose methods interleave."""

    def __init__(self) -> None:
        self._files = contextlib.ExitStack()
        self._open: dict[Path, Kept] = {}

    async def open(self, path: Path) -> None:
        """Raises StoreError."""
        if path not in self._open:
            self._open[path] = self._files.enter_context(kept.opened(path))

    async def get(self, path: Path, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return self._open[path].get_many(keys)

    async def put(self, path: Path, bodies: Mapping[bytes, bytes]) -> None:
        """Return when all are on disk: with what other workers put meanwhile, in one commit. Raises StoreError."""
        await asyncio.gather(*(self._open[path].put(key, body) for key, body in bodies.items()))

    async def close(self) -> None:
        """Close all files. Raises StoreError."""
        self._open = {}
        self._files.close()


class Client:
    """A file of the keeper's, as a worker sees it: satisfies kept.Keep."""

    def __init__(self, path: Path, keeper: Any) -> None:
        self._path = path
        self._keeper = keeper
        self._gets: _Together[bytes, Mapping[bytes, bytes]] = _Together(self._send_gets)
        self._puts: _Together[tuple[bytes, bytes], None] = _Together(self._send_puts)

    async def get(self, key: bytes) -> bytes | None:
        return (await self._gets(key)).get(key)

    async def put(self, key: bytes, body: bytes) -> None:
        await self._puts((key, body))

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found: Mapping[bytes, bytes] = self._wait(self._keeper.get.remote(self._path, list(keys)))
        return found

    def put_many(self, bodies: Mapping[bytes, bytes]) -> None:
        self._wait(self._keeper.put.remote(self._path, dict(bodies)))

    def flush(self) -> None:
        """Put what is still waiting, its rows cancelled: it was paid for."""
        if waiting := self._puts.take():
            self.put_many(dict(waiting))

    def _wait(self, ref: Any) -> Any:
        future: concurrent.futures.Future[Any] = ref.future()
        with self._named():
            return future.result()

    async def _send_gets(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        with self._named():
            return await self._keeper.get.remote(self._path, list(keys))  # type: ignore[no-any-return]

    async def _send_puts(self, bodies: Sequence[tuple[bytes, bytes]]) -> None:
        with self._named():
            await self._keeper.put.remote(self._path, dict(bodies))

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            cause = getattr(error, "cause", None)  # what was raised there comes wrapped
            if isinstance(cause, SynthError):
                raise cause from None
            raise StoreError(
                f"{self._path}: the process that keeps it cannot be reached: {error}",
                fix="is the driver's node out of memory? Run the same command again: what it said is kept, is kept",
            ) from error


@contextlib.contextmanager
def opened(path: Path, keeper: Any) -> Iterator[Client]:
    """Open a file through the keeper. Raises StoreError."""
    client = Client(path, keeper)
    client._wait(keeper.open.remote(path))
    try:
        yield client
    finally:
        client.flush()


class _Together(Generic[A, R]):
    """Sends all that waits in one call, one call after the other."""

    def __init__(self, send: Callable[[Sequence[A]], Awaitable[R]]) -> None:
        self._send = send
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, one: A) -> R:
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
        return await answer

    def take(self) -> list[A]:
        waiting, self._waiting = self._waiting, []
        return [one for one, _ in waiting]

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            result: Any = None
            error: Exception | None = None
            try:
                result = await self._send([one for one, _ in group])
            except asyncio.CancelledError:
                self._waiting = group + self._waiting  # the call may not have gone out: `take` hands it back
                raise
            except Exception as failure:  # whatever it is, those who wait must hear of it
                error = failure
            for _, answer in group:
                if not answer.done():
                    answer.set_exception(error) if error else answer.set_result(result)
