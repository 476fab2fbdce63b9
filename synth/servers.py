"""Servers of models that answer many small requests at once: embeddings, reranks. One client for one or several of them.

Requests go to the server with the fewest under way. What may be better another time is tried again, after a jittered,
doubling pause: HTTP 408, 425, 429 and 5xx, a time-out, a connection that is cut or refused, an answer that is no answer.
A server that failed is left alone meanwhile; if there is another, that one is asked at once. All else, and the last try,
end the run as ModelError: there is no row that one such request could be charged to.
"""

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Annotated, Any, ClassVar, TypeVar

import httpx
from pydantic import Field

from synth import secrets
from synth.errors import ModelError
from synth.settings import CachedSettings, Url

T = TypeVar("T")
Urls = Url | Annotated[list[Url], Field(min_length=1)]
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries: the first, doubled each time, and the longest."""
CONNECTING = 10.0
"""Seconds to connect."""
LONGEST_REPLY = 2**28
"""Bytes. 1,000 vectors of 4,096 dimensions, written as decimals, are 90 MB."""


class ServerSettings(CachedSettings):
    """What all such servers have. A plug-in says where its own is by default."""

    limits: ClassVar[tuple[str, ...]]
    """Names of the settings that have long texts cut."""
    model: str
    revision: str | None = None
    """Of the model, for what is kept and for the fingerprint; servers are not told. Another one computes anew."""
    url: Urls
    api_key_env: str
    batch_size: int = Field(64, ge=1)
    """Texts in one request, at most."""
    batch_characters: int = Field(200_000, ge=1)
    """Characters in one request, at most; a longer text goes alone."""
    in_flight: int = Field(16, ge=1, le=1024)
    """Requests under way at once, over all servers."""
    timeout: float = Field(120, gt=0)
    """Seconds that one try may take, to the last byte of its answer."""
    tries: int = Field(8, ge=1, le=100)
    """How often to ask before the run ends. The pauses between eight tries take about two minutes."""

    @property
    def urls(self) -> list[str]:
        return [self.url] if isinstance(self.url, str) else self.url


@contextlib.contextmanager
def opened(settings: ServerSettings, what: str) -> Iterator["Client"]:
    """Open a client; `what` is the key of the config that names it. Raises ModelError when no header can hold the key."""
    secrets.register(settings.api_key_env)
    key = os.environ.get(settings.api_key_env, "").strip()
    if not (key.isascii() and key.isprintable()):
        variable = f"${settings.api_key_env}"
        raise ModelError(
            f"{what}: {variable} holds characters that no HTTP header can carry", fix=f"set {variable} again"
        )
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=settings.in_flight)
    timeout = httpx.Timeout(settings.timeout, connect=min(CONNECTING, settings.timeout))
    with httpx.Client(headers=headers, limits=limits, timeout=timeout) as http:
        threads = ThreadPoolExecutor(settings.in_flight, thread_name_prefix=what)
        client = Client(settings, what, http, threads)
        try:
            yield client
        finally:
            client.ended.set()
            threads.shutdown(wait=False, cancel_futures=True)


class _Again(Exception):
    """A try that failed where another one may not. `pause`: seconds that the server wants to be left alone, if it said."""

    def __init__(self, detail: str, pause: float | None = None) -> None:
        super().__init__(detail)
        self.pause = pause


class Client:
    def __init__(self, settings: ServerSettings, what: str, http: httpx.Client, threads: ThreadPoolExecutor) -> None:
        self._settings, self._what, self._http, self._threads = settings, what, http, threads
        self.ended = threading.Event()
        """Set when nobody waits for answers any more."""
        self._under_way = dict.fromkeys((url.rstrip("/") for url in settings.urls), 0)
        self._resting = dict.fromkeys(self._under_way, 0.0)
        """Until when (time.monotonic) to prefer another server."""
        self._turn = threading.Lock()

    def ask(self, path: str, bodies: Sequence[Mapping[str, Any]], read: Callable[[int, Any], T]) -> list[T]:
        """POST each of `bodies` to `path`, with the model's name, and return what `read` makes of the answers, in order.

        `read(at, answer)` gets the place of the body and the decoded JSON, and raises ValueError where it is no answer.
        Raises ModelError.
        """
        own = {"model": self._settings.model}
        waiting = [self._threads.submit(self._ask, path, {**own, **body}, at, read) for at, body in enumerate(bodies)]
        try:
            for answer in as_completed(waiting):  # the first that fails ends all: none waits for another's pauses
                answer.result()
            return [answer.result() for answer in waiting]
        except BaseException:
            for answer in waiting:
                answer.cancel()
            raise

    def _ask(self, path: str, body: Mapping[str, Any], at: int, read: Callable[[int, Any], T]) -> T:
        data = json.dumps(body).encode()
        attempt = 0
        while True:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt) * random.uniform(0.5, 1.5)
            with self._server() as url:
                try:
                    return self._try(url, path, data, at, read)
                except _Again as error:
                    attempt += 1
                    pause = min(LONGEST_PAUSE, pause if error.pause is None else error.pause)
                    self._resting[url] = time.monotonic() + pause
                    if attempt == self._settings.tries:
                        raise ModelError(
                            f"{self._what}: {url}: {error} ({attempt} tries)",
                            fix=f"start or mend the server, or correct {self._what}.url, then run the same command again: "
                            "what was done is kept",
                        ) from error
            rest = max(0.0, min(self._resting.values()) - time.monotonic())  # none, if another server is fit
            if self.ended.wait(rest):
                raise ModelError(f"{self._what}: nobody waits for this answer any more")

    @contextlib.contextmanager
    def _server(self) -> Iterator[str]:
        with self._turn:
            now = time.monotonic()
            url = min(self._under_way, key=lambda one: (self._resting[one] > now, self._under_way[one]))
            self._under_way[url] += 1
        try:
            yield url
        finally:
            with self._turn:
                self._under_way[url] -= 1

    def _try(self, url: str, path: str, body: bytes, at: int, read: Callable[[int, Any], T]) -> T:
        try:
            reply, data = self._post(url + path, body)
        except httpx.RequestError as error:
            raise _Again(secrets.redact(f"{type(error).__name__}: {error}")[:300]) from error
        except (httpx.InvalidURL, ValueError) as error:
            raise self._end(url, secrets.redact(str(error))[:300], f"correct {self._what}.url") from error
        said = f"HTTP {reply.status_code}: {' '.join(secrets.redact(data.decode(errors='replace')).split())[:200]}"
        if reply.status_code in (408, 425, 429) or reply.status_code >= 500:
            raise _Again(said, _seconds(reply.headers.get("Retry-After", "")))
        if not reply.is_success:
            fix = f"check {self._what}.url, {self._what}.model, and the key in ${self._settings.api_key_env}"
            if reply.status_code in (400, 413, 422):
                limits = " and ".join(f"{self._what}.{name}" for name in self._settings.limits)
                fix = f"if a text is too long, set {limits} within the model's limit; else {fix}"
            raise self._end(url, said, fix)
        try:
            return read(at, json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _Again(f"no answer ({type(error).__name__}: {error}): {said}") from error

    def _post(self, url: str, body: bytes) -> tuple[httpx.Response, bytes]:
        end, data = time.monotonic() + self._settings.timeout, bytearray()
        with self._http.stream("POST", url, content=body, headers={"Content-Type": "application/json"}) as reply:
            for chunk in reply.iter_bytes():
                data += chunk
                if time.monotonic() > end:  # httpx bounds each read, not all of them
                    raise _Again(f"no whole answer within {self._settings.timeout:g} s")
                if len(data) > LONGEST_REPLY:
                    raise _Again(f"HTTP {reply.status_code}: more than {LONGEST_REPLY:,} bytes")
        return reply, bytes(data)

    def _end(self, url: str, what: str, fix: str) -> ModelError:
        return ModelError(f"{self._what}: {url}: {what}", fix=fix)


def batches(lengths: Sequence[int], most: int, most_characters: int) -> Iterator[list[int]]:
    """Yield the places of all texts, shortest first (equal ones as they came), in batches of at most `most` texts and
    `most_characters` characters; a longer text goes alone. What is padded is padded little."""
    batch: list[int] = []
    characters = 0
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == most or characters + lengths[at] > most_characters):
            yield batch
            batch, characters = [], 0
        batch.append(at)
        characters += lengths[at]
    if batch:
        yield batch


def in_order(items: Iterable[tuple[int, T]], number: int) -> list[T]:
    """Put what a server returned, with the place of each, in order. Raises ValueError unless it is each place once."""
    found = dict(pairs := list(items))
    if len(pairs) != number or found.keys() != set(range(number)):
        raise ValueError(f"{number} asked for, got the places {[at for at, _ in pairs][:20]}")
    return [found[at] for at in range(number)]


def _seconds(value: str) -> float | None:
    try:
        return max(0.0, float(value))
    except ValueError:
        return None
