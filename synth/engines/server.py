"""OpenAI-compatible servers: `vllm serve` on this or other machines, or anything else that speaks its protocol.

What goes wrong on the way ends in one of four:

- another try, `tries` at most, after a jittered, doubling pause or when the server says: HTTP 408, 425, 429 and 5xx, a
  time-out, a connection that is cut, an answer that is no answer. A cut one counts, also when the server died of it:
  a request that kills each server it meets shall not do so for ever. After the last try the request fails, and its row.
- another server, without a try being used up, when one does not listen, or does not know the model or the key.
- waiting, without a try being used up, while nobody listens anywhere: all requests wait together, `patience` at most.
- the end of the run, as one ModelError: patience is over, or the address, the key or the model's name is wrong everywhere.

The answer's schema goes as `response_format`; a server that ignores it is found out when the answer is parsed. Each try
has its own X-Request-Id, and vLLM names its answer after it: from the first answer on that is named so, one for another
request is not believed. A server that never does it cannot be checked.

Which server a request goes to says `_servers`; how many one gets at once, `_window`.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import random
import ssl
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import aiohttp
from pydantic import Field, ValidationError, model_validator

from synth import secrets
from synth.engines import EngineSettings, Request, RequestFailed, Response, _chat, _http
from synth.engines._http import LONGEST_PAUSE, LONGEST_REPLY
from synth.engines._servers import Server, Servers, listed
from synth.errors import ConfigError, ModelError
from synth.settings import Url

FIRST_PAUSE = 1.0
"""Seconds between two tries: the first, doubled each time up to LONGEST_PAUSE."""
CONNECTING = 10.0
"""Seconds to connect, and how long to wait for a server that was never there: a wrong address should be told soon."""
LONGEST_WAIT = 5.0
"""Seconds between two looks for servers that have gone, or that are new in the list."""
MOST = 1024
"""Requests at once for one server, at most: four times what vLLM computes at once by default."""
_IDLE = 4.0
"""Seconds to keep an idle connection: vLLM closes it after five, and a request that meets the end of one is lost."""
_ADDRESS = "correct engine.url, or the proxy and certificate variables of the environment"
_log = logging.getLogger(__name__)


class Settings(EngineSettings):
    """Servers that answer /v1/chat/completions: `url`, `urls` or `servers`; without any, one on this machine."""

    kind: Literal["server"]
    url: Url | None = None
    """Address of the only server, up to and including /v1: http://127.0.0.1:8000/v1 if nothing else is given."""
    urls: list[Url] = Field([])
    """Addresses of several servers of the same model."""
    servers: str | None = None
    """A file with an address a line (# begins a remark), read again while the run goes on: servers may come and go."""
    api_key_env: str = "SYNTH_API_KEY"
    """Name of the environment variable that holds the key, if the servers want one. Keys stand in no file."""
    timeout: float = Field(300, gt=0)
    """Seconds that one try may take, to the last byte of its answer."""
    tries: int = Field(8, ge=1, le=100)
    """How often to ask before a row fails. The pauses between eight tries take about two minutes."""
    patience: float = Field(300, ge=0)
    """Seconds to wait while no server is there (10 at most for one that was never there)."""

    @model_validator(mode="after")
    def _one_place(self) -> "Settings":
        given = [name for name in ("url", "urls", "servers") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(
                f"engine: {' and '.join(given)} both say where the servers are", fix="keep one of url, urls and servers"
            )
        return self

    @model_validator(mode="after")
    def _patient_in_time(self) -> "Settings":
        if self.patience >= self.deadline:
            raise ConfigError(
                f"engine: patience ({self.patience:g} s) is not below deadline ({self.deadline:g} s)",
                fix="lower patience: rows would fail while they wait for a server to come back",
            )
        return self

    def places(self) -> list[str]:
        """Return the addresses as they are listed now."""
        if self.servers:
            return listed(Path(self.servers))
        return [url.rstrip("/") for url in self.urls or [self.url or "http://127.0.0.1:8000/v1"]]


@contextlib.contextmanager
def open(settings: Settings) -> Iterator["ServerEngine"]:
    secrets.register(settings.api_key_env)
    engine = ServerEngine(settings)
    try:
        yield engine
    finally:
        engine.close()


class _Again(Exception):
    """A try that failed where another one may not. `asked`: seconds that the server wants to be left alone, if it said.
    `busy`: it has too much to do."""

    def __init__(self, reason: str, detail: str, asked: float | None = None, *, busy: bool = False) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.asked, self.busy = reason, detail, asked, busy

    def pause(self, attempt: int) -> float:
        if self.asked is not None:
            return self.asked * random.uniform(1, 1.25)  # not sooner, and not all at once
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt) * random.uniform(0.5, 1.5)


class _Elsewhere(Exception):
    """This server cannot be asked; another one may."""


class ServerEngine:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        most = min(settings.in_flight or MOST, MOST)
        self._servers = Servers(settings.places, most, settings.patience, CONNECTING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: AsyncGenerator[aiohttp.ClientSession, None] | None = None
        self._client: aiohttp.ClientSession | None = None
        self._watcher: asyncio.Task[None] | None = None
        # A part of all ids: tells ours from others', and from those of a run that was killed and is still being served.
        self._mark = os.urandom(4).hex()
        self._echoes = False
        self._unread = ""

    @property
    def capacity(self) -> int:
        return self._servers.capacity

    def counters(self) -> Mapping[str, float]:
        """Return vLLM's own counters, of all servers that have them, since each was first seen."""
        known = [server for server in (*self._servers.all.values(), *self._servers.gone) if server.counted]
        with ThreadPoolExecutor(32) as pool:
            now = [counted or {} for counted in pool.map(_http.counted, (server.url for server in known))]
        sums: dict[str, float] = {}
        for server, counted in zip(known, now, strict=True):
            for name, number in counted.items():
                before = (server.counted or {}).get(name, 0.0)
                # Less than before: it was started again in between.
                sums[name] = sums.get(name, 0.0) + (number - before if number >= before else number)
        return sums

    async def complete(self, request: Request) -> Response:
        """Answer one request. Raises RequestFailed or ModelError, as the top of this file says."""
        body = _chat.body(request, self._settings)
        key = hashlib.blake2b(body, digest_size=16).hexdigest()
        await self._connected()
        attempt, last = 0, None
        while True:
            try:
                async with self._servers.place(request.prefix, last) as last:
                    return await self._ask(last, body, f"{self._mark}-{key}-{attempt}")
            except _Elsewhere:
                continue
            except _Again as error:
                if attempt + 1 == self._settings.tries:
                    raise RequestFailed(error.reason, error.detail) from error
                await asyncio.sleep(error.pause(attempt))
                attempt += 1

    async def _ask(self, server: Server, body: bytes, identity: str) -> Response:
        """Ask once, and keep account of how the server does."""
        asked = time.monotonic()
        try:
            response = await self._try(server, body, identity)
        except RequestFailed:  # it has answered
            self._servers.answered(server)
            raise
        except _Again as error:
            if error.busy:
                server.window.refused(time.monotonic(), asked)
            if (
                not error.busy or error.reason == "timeout"
            ):  # it may have too much to do, or have stopped to do anything
                self._servers.failed(server, error.detail)
                self._watch()
            raise
        self._servers.answered(server)
        return response

    def close(self) -> None:
        """Close the connections. A loop that has ended has done so; one that runs does so when it comes to it."""
        loop, clients, watcher = self._loop, self._clients, self._watcher
        self._loop = self._clients = self._client = self._watcher = None
        if loop and clients and not loop.is_closed():
            if watcher:
                watcher.cancel()
            if not loop.is_running():
                loop.run_until_complete(clients.aclose())

    async def _try(self, server: Server, body: bytes, identity: str) -> Response:
        """Ask once. Raises _Elsewhere after having said what is wrong with the server."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                status, headers, data = await self._post(server, body, identity)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._servers.miss(server, _http.cause(error))
            self._watch()
            raise _Elsewhere from error
        except aiohttp.InvalidURL as error:
            self._leave_out(server, f"cannot be asked: {_http.cause(error)}", _ADDRESS)
            raise _Elsewhere from error
        except aiohttp.ClientError as error:
            raise _Again("server_error", _http.cause(error)) from error
        except TimeoutError as error:
            raise _Again("timeout", f"no whole answer within {self._settings.timeout:g} s", busy=True) from error
        except (ValueError, ImportError, OSError) as error:
            # Not what the server did: an address, a proxy or a certificate that is none.
            self._leave_out(server, f"cannot be asked: {_http.cause(error)}", _ADDRESS)
            raise _Elsewhere from error
        self._seen(server)
        return self._read(server, status, headers, data, identity)

    async def _post(self, server: Server, body: bytes, identity: str) -> tuple[int, Mapping[str, str], bytes]:
        client = self._client or await self._connected()
        headers = {"Content-Type": "application/json", "X-Request-Id": identity}
        url, proxy = f"{server.url}/chat/completions", _http.proxy(server.url)
        async with client.post(url, data=body, headers=headers, proxy=proxy, allow_redirects=False) as reply:
            data = bytearray()
            async for chunk in reply.content.iter_any():
                data += chunk
                if len(data) > LONGEST_REPLY:
                    raise _Again("bad_reply", f"HTTP {reply.status}: more than {LONGEST_REPLY:,} bytes")
            return reply.status, reply.headers, bytes(data)

    def _seen(self, server: Server) -> None:
        """It answers, whatever it says."""
        if server.missing:
            self._servers.back(server)
        self._servers.reached = True

    def _leave_out(self, server: Server, what: str, fix: str) -> ModelError:
        error = ModelError(f"engine server: {server.url}: {what}", fix=fix)
        self._servers.leave_out(server, error)
        return error

    def _watch(self) -> None:
        """Look for servers that have gone or are new, as long as there is something to look for."""
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.ensure_future(self._looking())

    async def _looking(self) -> None:
        pause, never = 0.1, asyncio.Event()
        while self._servers.dead is None:
            await asyncio.gather(*(self._note(server) for server in self._servers.usable if server.counted is None))
            with contextlib.suppress(TimeoutError):
                wait = min(pause * random.uniform(0.5, 1.0), self._servers.patience_left)
                await asyncio.wait_for(never.wait(), wait)
            if self._settings.servers:
                self._read_list()
            missing = [server for server in self._servers.all.values() if server.missing]
            await asyncio.gather(*map(self._look, missing))
            self._servers.look()
            pause = min(LONGEST_WAIT, 1.5 * pause) if missing or self._settings.servers else LONGEST_WAIT

    def _read_list(self) -> None:
        """Read the list again. One that cannot be read for a moment, as on a shared file system, is as it was."""
        said = ""
        try:
            self._servers.read()
        except ConfigError as error:
            said = error.what
        if said and said != self._unread:
            _log.warning("%s: going on with the servers that are known", said)
        self._unread = said

    async def _look(self, server: Server) -> None:
        """Ask a server that has gone whether it is there: whatever it says but an error of its own, it is."""
        client = await self._connected()
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, OSError):
            async with (
                asyncio.timeout(CONNECTING),
                client.get(
                    f"{_http.root(server.url)}/health", proxy=_http.proxy(server.url), allow_redirects=False
                ) as reply,
            ):
                if reply.status < 500:
                    self._servers.back(server)

    async def _note(self, server: Server) -> None:
        server.counted = await asyncio.to_thread(_http.counted, server.url)

    async def _connected(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # No other request comes in between: `_open_client` does not wait before its `yield`.
            self._loop, self._clients, self._watcher = loop, self._open_client(), None
            self._client = await anext(self._clients)
            self._watch()
        return self._client

    async def _open_client(self) -> AsyncGenerator[aiohttp.ClientSession, None]:
        """Yield a client. It has to be closed in its event loop: a loop that ends closes its generators, and so this.

        Proxies and certificates of the environment are used, a .netrc is not (`trust_env` would).
        """
        variable = self._settings.api_key_env
        key = os.environ.get(variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            said = f"${variable} holds characters that no HTTP header can carry"
            raise self._servers.end(ModelError(f"engine server: {said}", fix=f"set ${variable} again"))
        try:
            secure = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or None)
        except OSError as error:
            said = f"engine server: cannot be asked: {_http.cause(error)}: $SSL_CERT_FILE"
            raise self._servers.end(ModelError(said, fix=_ADDRESS)) from error
        client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE, ssl=secure),
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECTING, self._settings.timeout / 2)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        try:
            yield client
        finally:
            await client.close()

    def _read(self, server: Server, status: int, headers: Mapping[str, str], data: bytes, identity: str) -> Response:
        if not 200 <= status < 300:
            raise self._refusal(server, status, headers, data)
        try:
            answer = _chat.Answer.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "reply"
            raise _Again("bad_reply", f"{where}: {first['msg']}: {_http.said(status, data)}") from error
        named = answer.id or ""
        self._echoes = self._echoes or self._mark in named
        if self._echoes and not named.endswith(identity):
            raise _Again("wrong_reply", f"the answer to {secrets.redact(named)[:100]!r} came for {identity!r}")
        if answer.aborted:
            raise _Again("engine_error", "finish_reason 'abort'")
        return answer.response()

    def _refusal(self, server: Server, status: int, headers: Mapping[str, str], data: bytes) -> Exception:
        said = _http.said(status, data)
        if status in (401, 403, 404):
            self._leave_out(
                server, said, f"check engine.url, engine.model, and the key in ${self._settings.api_key_env}"
            )
            return _Elsewhere()
        if status in (301, 302, 303, 307, 308) and "Location" in headers:
            where = secrets.redact(headers["Location"])
            self._leave_out(server, f"HTTP {status}: has moved to {where[:200]}", "correct engine.url")
            return _Elsewhere()
        if 400 <= status < 500 and status not in (408, 425, 429):
            too_long = b"context length" in data or b"longer than" in data
            return RequestFailed("prompt_too_long" if too_long else "refused", said)
        return _Again(
            "server_error", said, _http.asked_pause(headers.get("Retry-After", "")), busy=status in (429, 503)
        )
