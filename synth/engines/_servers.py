"""Which of several servers a request goes to: where its passage is in the cache, unless that one has clearly more to do.

Servers come and go. One that refuses connections, or fails time after time while others do not, is left alone and looked at
(GET /health) until it answers; one that does not know the model or the key is left out for good. A list in a file is read
again while the run goes on.
"""

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from synth import secrets
from synth.engines._window import Window
from synth.errors import ConfigError, ModelError

FAILURES = 5
"""Failures one after the other after which a server is left alone, if others are there."""
_SPREAD, _SLACK = 1.25, 4
"""A passage's own server may have this many times its share of requests, those that wait for it included, and so many more;
beyond that the next one takes it (consistent hashing with bounded loads, Mirrokni et al. 2018)."""
_LENT = 0.25
"""The part of a server's places that stay empty rather than take a request from another's queue: to compute a passage
anew costs more than a place that is empty for a moment."""
_SHORTEST_REST, _LONGEST_REST = 1.0, 60.0
"""Seconds that one is left alone after it failed time after time: doubled each time until an answer comes. That it is
healthy by its own word says little: an engine that fails each request is."""
_log = logging.getLogger("synth.engines.server")


@dataclass(eq=False)
class Turn:
    """A request that waits for a place."""

    place: "asyncio.Future[Server]"
    prefix: str
    avoid: "Server | None"


@dataclass(eq=False)
class Server:
    url: str
    window: Window
    held: int = 0
    queue: deque[Turn] = field(default_factory=deque)
    """Requests that wait for this one, first come, first served."""
    failures: int = 0
    missing: str = ""
    """Why it is left alone for now; empty while it is in use."""
    since: float = 0.0
    rests: int = 0
    """How often it was left alone for failing, since its last answer."""
    rested: float = 0.0
    """When it may be asked again."""
    out: ModelError | None = None
    """Why it is left out for good."""
    counted: dict[str, float] | None = None
    """Its counters when it was first seen; empty when it has none."""

    @property
    def usable(self) -> bool:
        return not self.missing and self.out is None

    @property
    def load(self) -> int:
        return self.held + len(self.queue)

    def give(self) -> None:
        """Give it one request more."""
        self.held += 1
        self.window.holds(self.held)


@dataclass
class Servers:
    """The servers of a run, and the requests that wait for one of them."""

    listed: Callable[[], Sequence[str]]
    """Returns the URLs as they are listed now."""
    most: int
    """Requests at once for one server, at most."""
    patience: float
    unreached: float
    """The same, until any server was reached: a wrong address should be told soon."""
    reached: bool = False
    all: dict[str, Server] = field(default_factory=dict)
    gone: list[Server] = field(default_factory=list)
    """Servers that are listed no more."""
    dead: ModelError | None = None
    _nowhere: deque[Turn] = field(default_factory=deque)
    """Requests that wait while no server is there."""
    _none_since: float | None = None

    def __post_init__(self) -> None:
        self.read()

    @property
    def capacity(self) -> int:
        """Somewhat more than the windows hold, so that they are full: a window that is not learns nothing."""
        return max(1, sum(-(-5 * int(server.window.size) // 4) for server in self.usable))

    @property
    def usable(self) -> list[Server]:
        return [server for server in self.all.values() if server.usable]

    def read(self) -> None:
        """Take in which servers are listed now."""
        urls = dict.fromkeys(self.listed())
        for url in urls:
            if url not in self.all:
                self.all[url] = Server(url, Window(self.most))
                if self.reached:
                    _log.warning("engine server: %s is there", url)
        for url in [url for url in self.all if url not in urls]:
            self.gone.append(self.all.pop(url))
            _log.warning("engine server: %s is listed no more", url)
        self.look()

    def look(self) -> None:
        """Let go of requests that can go, or end the run when nobody has been there for too long."""
        if self.usable:
            self._none_since = None
        elif self._none_since is None:
            self._none_since = time.monotonic()
        elif self.dead is None and self.patience_left <= 0:
            self._lose_patience(time.monotonic() - self._none_since)
        self._admit()

    @property
    def patience_left(self) -> float:
        """Seconds until the run ends if no server comes; infinite while one is there."""
        if self._none_since is None:
            return float("inf")
        patience = self.patience if self.reached or not self.all else min(self.patience, self.unreached)
        return max(0.0, self._none_since + patience - time.monotonic())

    def _lose_patience(self, seconds: float) -> None:
        missing = [server for server in self.all.values() if server.missing]
        fix = "start it again, then run the same command: what it answered is in the journal"
        if not self.reached:
            fix = "start it (vllm serve MODEL --port 8000), or correct engine.url"
        if not missing:
            self.end(ModelError(f"engine server: no server is listed, for {seconds:,.0f} s", fix=fix))
            return
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        what = f"cannot be reached, for {seconds:,.0f} s: {missing[0].missing}"
        self.end(ModelError(f"engine server: {missing[0].url}{more}: {what}", fix=fix))

    def end(self, error: ModelError) -> ModelError:
        """End the run, once: all requests raise the same."""
        self.dead = self.dead or error
        self._admit()
        return self.dead

    def place(self, prefix: str, avoid: Server | None = None) -> "Place":
        """Hold a place at a server; wait for one, first come, first served. Raises ModelError."""
        return Place(self, prefix, avoid)

    def give_back(self, server: Server) -> None:
        server.held -= 1
        self._fill(server)

    async def take(self, prefix: str, avoid: Server | None) -> Server:
        if self.dead is not None:
            raise self.dead
        server = self.choose(prefix, avoid)
        if server and not server.queue and server.held < int(server.window.size):
            server.give()  # the usual case: nobody to wait for
            return server
        turn = Turn(asyncio.get_running_loop().create_future(), prefix, avoid)
        if server := self._line_up(turn):
            self._fill(server)
        try:
            return await turn.place
        except asyncio.CancelledError:
            if turn.place.done() and not turn.place.cancelled() and not turn.place.exception():
                self.give_back(turn.place.result())  # given a place in the same moment
            raise

    def _line_up(self, turn: Turn) -> Server | None:
        server = self.choose(turn.prefix, turn.avoid)
        (server.queue if server else self._nowhere).append(turn)
        return server

    def _admit(self) -> None:
        """See to all who wait, after servers have come or gone."""
        away = [server for server in self.all.values() if not server.usable]
        queues = [self._nowhere, *(server.queue for server in (*away, *self.gone))]
        lost = [turn for queue in queues for turn in queue if not turn.place.done()]
        for queue in queues:
            queue.clear()
        if self.dead is not None:
            for server in self.usable:
                lost += [turn for turn in server.queue if not turn.place.done()]
                server.queue.clear()
            for turn in lost:
                turn.place.set_exception(self.dead)
            return
        for turn in lost:
            self._line_up(turn)
        for server in self.usable:
            self._fill(server)

    def _fill(self, server: Server) -> None:
        """Give a server's free places to those who wait for it, then to those who wait for the one with most to do."""
        size = int(server.window.size)
        while server.usable and self.all.get(server.url) is server and server.held < size:
            queue = server.queue
            if not queue and server.held < (1 - _LENT) * size:
                queue = max((other.queue for other in self.usable), key=len)
                if queue and queue[0].avoid is server:
                    return
            if not queue:
                return
            turn = queue.popleft()
            if not turn.place.done():
                server.give()
                turn.place.set_result(server)

    def choose(self, prefix: str, avoid: Server | None = None) -> Server | None:
        """Return the server for a request, or null where none is there. `avoid` is asked only if there is no other."""
        usable = self.usable
        usable = [server for server in usable if server is not avoid] or usable
        if len(usable) < 2:
            return usable[0] if usable else None
        if prefix:
            share = sum(server.load for server in usable) / sum(server.window.size for server in usable)
            near = [one for one in usable if one.load <= _SPREAD * share * one.window.size + _SLACK]
            return max(near, key=lambda server: _weight(server.url, prefix))
        return min(usable, key=lambda server: server.load / server.window.size)

    def answered(self, server: Server) -> None:
        server.failures, server.rests, server.rested, self.reached = 0, 0, 0.0, True
        if server.missing:
            self.back(server)
        server.window.answered(time.monotonic())

    def failed(self, server: Server, cause: str) -> None:
        """Count a failure that may be the server's: of many in a row it is."""
        server.failures += 1
        if server.failures >= FAILURES and any(other is not server for other in self.usable):
            if server.usable:
                server.rested = time.monotonic() + min(_LONGEST_REST, _SHORTEST_REST * 2.0**server.rests)
                server.rests += 1
            self.miss(server, f"{server.failures} failures in a row, the last: {cause}")

    def miss(self, server: Server, cause: str) -> None:
        """Leave a server alone until it answers again."""
        if server.usable:
            server.missing, server.since = cause, time.monotonic()
            others = len(self.usable)
            patience = self.patience if self.reached else min(self.patience, self.unreached)
            then = f"{others} others go on" if others else f"waiting, {patience:g} s at most"
            _log.warning("engine server: %s cannot be reached (%s): %s", server.url, cause, then)
        self.look()

    def back(self, server: Server) -> None:
        """Take a server back that is there again, unless it has to rest while others are there."""
        if server.missing and not (self.usable and time.monotonic() < server.rested):
            away = time.monotonic() - server.since
            _log.warning("engine server: %s answers again, after %.0f s", server.url, away)
            server.missing, server.failures = "", 0
        self.look()

    def leave_out(self, server: Server, error: ModelError) -> None:
        """Ask a server no more. If it was the last one, the run ends with why."""
        if server.out:
            return
        server.out = error
        if all(other.out for other in self.all.values()):
            self.end(error)
        else:
            _log.warning("engine server: left out: %s", error.what)
            self.look()


@dataclass
class Place:
    """A place at a server, for the time of an `async with`: as contextlib would make it, at a fifth of the cost."""

    servers: Servers
    prefix: str
    avoid: Server | None
    _server: Server | None = None

    async def __aenter__(self) -> Server:
        self._server = await self.servers.take(self.prefix, self.avoid)
        return self._server

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self.servers.give_back(self._server)


@lru_cache(100_000)
def _weight(url: str, prefix: str) -> bytes:
    """Rendezvous hashing (Thaler and Ravishankar 1998): a server more or less moves only its own passages."""
    return hashlib.blake2b(f"{url}\0{prefix}".encode(), digest_size=8).digest()


def listed(path: Path) -> list[str]:
    """Read a list of servers: a URL a line; empty lines and those that begin with # are none. A file that is not there yet
    lists none. Raises ConfigError when it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"engine.servers: {path}: cannot be read: {error}", fix="a URL per line") from error
    found = [line.strip().rstrip("/") for line in lines]
    return [secrets.redact(line) for line in found if line and not line.startswith("#")]
