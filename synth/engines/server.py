"""An OpenAI-compatible server: `vllm serve` on this or another machine, or anything else that speaks its protocol.

What goes wrong on the way ends in one of three:

- another try, `tries` at most, after a jittered, doubling pause or when the server says: HTTP 408, 425, 429 and 5xx, a
  time-out, a connection that is cut, an answer that is no answer. A cut one counts, also when the server died of it:
  a request that kills each server it meets shall not do so for ever. After the last try the request fails, and its row.
- waiting, without a try being used up, while nobody listens at `url`: all requests wait together, `patience` at most.
- the end of the run, as one ModelError: patience is over, or the address, the key or the model's name is wrong.

The answer's schema goes as `response_format`; a server that ignores it is found out when the answer is parsed. Each try
has its own X-Request-Id, and vLLM names its answer after it: from the first answer on that is named so, one for another
request is not believed. A server that never does it cannot be checked.
"""

import asyncio
import contextlib
import email.utils
import json
import logging
import os
import random
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Literal

import httpx
from pydantic import AliasPath, BaseModel, Field, ValidationError, model_validator

from synth import secrets
from synth.engines import EngineSettings, Request, RequestFailed, Response
from synth.errors import ConfigError, ModelError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries: the first, doubled each time, and the most that a server's Retry-After can ask for."""
CONNECTING = 10.0
"""Seconds to connect, and how long to wait for a server that was never there: a wrong address should be told soon."""
LONGEST_WAIT = 5.0
"""Seconds between two looks for a server that has gone."""
LONGEST_REPLY = 4 * 2**20
"""Bytes. An answer of 256 tokens has about 2,000; whatever sends more than this is not answering."""
_log = logging.getLogger(__name__)


class Settings(EngineSettings):
    """A server that answers /v1/chat/completions."""

    kind: Literal["server"]
    url: str = Field("http://127.0.0.1:8000/v1", pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")
    """Its address, up to and including /v1."""
    api_key_env: str = "SYNTH_API_KEY"
    """Name of the environment variable that holds the key, if the server wants one. Keys stand in no file."""
    timeout: float = Field(300, gt=0)
    """Seconds that one try may take, to the last byte of its answer."""
    tries: int = Field(8, ge=1, le=100)
    """How often to ask before a row fails. The pauses between eight tries take about two minutes."""
    patience: float = Field(300, ge=0)
    """Seconds to wait for a server that has gone to come back (10 at most for one that was never there)."""

    @model_validator(mode="after")
    def _patient_in_time(self) -> "Settings":
        if self.patience >= self.deadline:
            raise ConfigError(
                f"engine: patience ({self.patience:g} s) is not below deadline ({self.deadline:g} s)",
                fix="lower patience: rows would fail while they wait for a server to come back",
            )
        return self


@contextlib.contextmanager
def open(settings: Settings) -> Iterator["ServerEngine"]:
    secrets.register(settings.api_key_env)
    engine = ServerEngine(settings)
    try:
        yield engine
    finally:
        engine.close()


class _Again(Exception):
    """A try that failed where another one may not. `asked`: seconds that the server wants to be left alone, if it said."""

    def __init__(self, reason: str, detail: str, asked: float | None = None) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.asked = reason, detail, asked

    def pause(self, attempt: int) -> float:
        if self.asked is not None:
            return self.asked * random.uniform(1, 1.25)  # not sooner, and not all at once
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt) * random.uniform(0.5, 1.5)


class ServerEngine:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: AsyncGenerator[httpx.AsyncClient, None] | None = None
        self._client: httpx.AsyncClient | None = None
        # A part of all ids: tells ours from others', and from those of a run that was killed and is still being served.
        self._mark = os.urandom(4).hex()
        self._echoes = self._reached = False
        self._missing_since: float | None = None
        self._dead: ModelError | None = None

    @property
    def capacity(self) -> int:
        return self._settings.in_flight or 128

    def counters(self) -> Mapping[str, float]:
        return {}

    async def complete(self, request: Request) -> Response:
        """Answer one request. Raises RequestFailed or ModelError, as the top of this file says."""
        body, key = self._body(request), request.key(self._settings.identity)
        attempt = 0
        while True:
            try:
                return await self._try(body, f"{self._mark}-{key}-{attempt}")
            except _Again as error:
                if attempt + 1 == self._settings.tries:
                    raise RequestFailed(error.reason, error.detail) from error
                await asyncio.sleep(error.pause(attempt))
                attempt += 1

    def close(self) -> None:
        """Close the connections. A loop that has ended has done so; one that runs does so when it comes to it."""
        loop, clients = self._loop, self._clients
        self._loop = self._clients = self._client = None
        if loop and clients and not loop.is_closed() and not loop.is_running():
            loop.run_until_complete(clients.aclose())

    async def _try(self, body: bytes, identity: str) -> Response:
        """Ask once; where nobody listens, wait until somebody does."""
        while True:
            if self._dead:
                raise self._dead
            try:
                # httpx would only bound each read: a server that drips could hold a request for ever.
                async with asyncio.timeout(self._settings.timeout):
                    reply, data = await self._post(body, identity)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                await self._wait(_cause(error))
            except httpx.RequestError as error:
                raise _Again("server_error", _cause(error)) from error
            except TimeoutError as error:
                raise _Again("timeout", f"no whole answer within {self._settings.timeout:g} s") from error
            except (httpx.InvalidURL, ValueError, ImportError, OSError, ExceptionGroup) as error:
                # Not what the server did: an address, a proxy or a certificate that is none.
                fix = "correct engine.url, or the proxy and certificate variables of the environment"
                raise self._end(f"cannot be asked: {_cause(error)}", fix) from error
            else:
                return self._read(reply, data, identity)

    async def _post(self, body: bytes, identity: str) -> tuple[httpx.Response, bytes]:
        client, data = await self._connected(), bytearray()
        headers = {"Content-Type": "application/json", "X-Request-Id": identity}
        async with client.stream("POST", "/chat/completions", content=body, headers=headers) as reply:
            self._seen()
            async for chunk in reply.aiter_bytes():
                data += chunk
                if len(data) > LONGEST_REPLY:
                    raise _Again("bad_reply", f"HTTP {reply.status_code}: more than {LONGEST_REPLY:,} bytes")
        return reply, bytes(data)

    def _seen(self) -> None:
        if self._missing_since is not None:
            away = time.monotonic() - self._missing_since
            _log.warning("engine server: %s answers again, after %.0f s", self._settings.url, away)
        self._reached, self._missing_since = True, None

    async def _wait(self, cause: str) -> None:
        """Pause, as no server is there. Raises ModelError when none has been for too long."""
        url, patience = self._settings.url, self._settings.patience
        fix = "start it again, then run the same command: what it answered is in the journal"
        if not self._reached:
            patience, fix = min(patience, CONNECTING), "start it (vllm serve MODEL --port 8000), or correct engine.url"
        if self._missing_since is None:
            self._missing_since = time.monotonic()
            _log.warning("engine server: %s cannot be reached (%s): waiting, %.0f s at most", url, cause, patience)
        missing = time.monotonic() - self._missing_since
        if missing >= patience:
            raise self._end(f"cannot be reached, for {missing:,.0f} s: {cause}", fix)
        pause = min(LONGEST_WAIT, max(0.1, missing / 2)) * random.uniform(0.5, 1.5)
        await asyncio.sleep(min(pause, patience - missing))

    def _end(self, what: str, fix: str) -> ModelError:
        """Make the error that ends the run, once: all other requests raise the same."""
        self._dead = self._dead or ModelError(f"engine server: {self._settings.url}: {what}", fix=fix)
        return self._dead

    async def _connected(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # No other request comes in between: `_open_client` does not wait before its `yield`.
            self._loop, self._clients = loop, self._open_client()
            self._client = await anext(self._clients)
        return self._client

    async def _open_client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        """Yield a client. It has to be closed in its event loop: a loop that ends closes its generators, and so this.

        Proxies and certificates of the environment are used; a .netrc is not, since httpx 0.24.
        """
        variable = self._settings.api_key_env
        key = os.environ.get(variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise self._end(f"${variable} holds characters that no HTTP header can carry", f"set ${variable} again")
        client = httpx.AsyncClient(
            base_url=self._settings.url,
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx.Timeout(None, connect=min(CONNECTING, self._settings.timeout / 2)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=self.capacity),
            follow_redirects=False,  # the key is for this server only
        )
        try:
            yield client
        finally:
            await client.aclose()

    def _body(self, request: Request) -> bytes:
        schema = {"name": "answer", "schema": json.loads(request.schema), "strict": True}
        body = {
            "model": self._settings.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "seed": request.seed,
            **request.sampling.model_dump(),
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
        if self._settings.chat_template_kwargs:
            body["chat_template_kwargs"] = self._settings.chat_template_kwargs
        return json.dumps(body).encode()

    def _read(self, reply: httpx.Response, data: bytes, identity: str) -> Response:
        if not reply.is_success:
            raise self._refusal(reply, data)
        try:
            answer = _Answer.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "reply"
            raise _Again("bad_reply", f"{where}: {first['msg']}: {_said(reply, data)}") from error
        named = answer.id or ""
        self._echoes = self._echoes or self._mark in named
        if self._echoes and not named.endswith(identity):
            raise _Again("wrong_reply", f"the answer to {secrets.redact(named)[:100]!r} came for {identity!r}")
        return answer.response()

    def _refusal(self, reply: httpx.Response, data: bytes) -> Exception:
        status, said = reply.status_code, _said(reply, data)
        if status in (401, 403, 404):
            return self._end(said, f"check engine.url, engine.model, and the key in ${self._settings.api_key_env}")
        if reply.has_redirect_location:
            where = secrets.redact(reply.headers["Location"])
            return self._end(f"HTTP {status}: has moved to {where[:200]}", "correct engine.url")
        if 400 <= status < 500 and status not in (408, 425, 429):
            too_long = b"context length" in data or b"longer than" in data
            return RequestFailed("prompt_too_long" if too_long else "refused", said)
        return _Again("server_error", said, _asked_pause(reply.headers.get("Retry-After", "")))


class _Answer(BaseModel):
    """What is read of a chat completion."""

    id: str | None = None
    """`chatcmpl-` and the X-Request-Id, by vLLM; anything, by others."""
    text: str | None = Field(validation_alias=AliasPath("choices", 0, "message", "content"))
    finish: str | None = Field(validation_alias=AliasPath("choices", 0, "finish_reason"))
    prompt_tokens: int | None = Field(None, validation_alias=AliasPath("usage", "prompt_tokens"))
    cached_tokens: int | None = Field(
        None, validation_alias=AliasPath("usage", "prompt_tokens_details", "cached_tokens")
    )
    output_tokens: int | None = Field(None, validation_alias=AliasPath("usage", "completion_tokens"))

    def response(self) -> Response:
        if self.finish == "abort":  # vLLM, when it is told to stop or to pause
            raise _Again("engine_error", "finish_reason 'abort'")
        if self.text is None or self.finish not in ("stop", "length"):
            # The same seed would get the same again: a grammar that does not compile, a refusal, an empty turn.
            what = f"finish_reason {self.finish!r:.100}{', no content' if self.text is None else ''}"
            raise RequestFailed("engine_error", secrets.redact(what))
        finish: Literal["stop", "length"] = "length" if self.finish == "length" else "stop"
        return Response(self.text, finish, self.prompt_tokens or 0, self.cached_tokens or 0, self.output_tokens or 0)


def _said(reply: httpx.Response, data: bytes) -> str:
    """Return what a server said, fit for a message: one line, at most 200 characters of it, without keys."""
    text = " ".join(secrets.redact(data.decode(errors="replace")).split())
    return f"HTTP {reply.status_code}: {text[:200] or '(nothing)'}"


def _cause(error: BaseException) -> str:
    """Name the innermost cause that the system gave: `Connection refused` instead of `All connection attempts failed`."""
    said, inner = f"{type(error).__name__}: {error}", error
    while cause := inner.__cause__ or inner.__context__:
        inner = cause
        if isinstance(inner, OSError) and str(inner):
            said = f"{type(inner).__name__}: {inner}"
    return secrets.redact(said.removesuffix(": "))[:300]


def _asked_pause(value: str) -> float | None:
    """Read Retry-After, in seconds or as an HTTP date, as seconds from 0 to a minute; null when it says nothing."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    return min(LONGEST_PAUSE, seconds) if seconds >= 0 else None
