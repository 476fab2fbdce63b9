"""One or several OpenAI-compatible servers of `/v1/embeddings`: `vllm serve MODEL --runner pooling`, or anything like it.

A call's texts go out in batches, several at once, each to the server with the fewest batches under way. HTTP 408, 425, 429
and 5xx, a connection that is cut or refused, and an answer that is no answer cost a try; the next one goes to another
server if there is any. What no other try can mend (a wrong key, model or address, a text that is too long) ends the run.
"""

import base64
import binascii
import contextlib
import os
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import httpx
import numpy as np
from pydantic import Field

from synth import secrets
from synth.encoders import CachedSettings, Vectors
from synth.errors import ModelError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries: the first, doubled each time, and the most."""
CONNECTING = 10.0
"""Seconds to connect."""
_PASSING = {408, 425, 429}
_Url = Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")]


class Settings(CachedSettings):
    """A server that answers /v1/embeddings."""

    kind: Literal["server"]
    url: _Url | Annotated[list[_Url], Field(min_length=1)] = "http://127.0.0.1:8001/v1"
    """Its address, up to and including /v1; or a list of them, all of the same model."""
    model: str
    revision: str | None = None
    """Of the model, for the card; servers are not told. Another one calls for other vectors."""
    api_key_env: str = "SYNTH_EMBEDDER_API_KEY"
    """Name of the environment variable that holds the key, if the servers want one."""
    query_prompt: str = ""
    """Put before each query. A server knows no prompts of its own: see the model's card."""
    document_prompt: str = ""
    """The same for documents."""
    dimensions: int | None = Field(None, ge=8)
    """Of a Matryoshka model, how many to ask for."""
    max_tokens: int | None = Field(None, ge=8)
    """Have texts cut here, by vLLM's `truncate_prompt_tokens`. Without it, vLLM refuses a text that is too long."""
    batch_size: int = Field(64, ge=1)
    batch_characters: int = Field(100_000, ge=1)
    """Characters in a request, at most; a text of more goes alone."""
    in_flight: int = Field(8, ge=1, le=1000)
    """Requests under way at once, over all servers."""
    timeout: float = Field(120, gt=0)
    """Seconds that a server may say nothing before the try counts as failed."""
    tries: int = Field(8, ge=1, le=100)
    """How often to ask before the run ends. The pauses between eight tries take about one and a half minutes."""

    @property
    def urls(self) -> list[str]:
        return [self.url] if isinstance(self.url, str) else self.url


class _Again(Exception):
    """A try that failed where another one may not."""


@dataclass
class ServerEncoder:
    settings: Settings
    client: httpx.Client
    threads: ThreadPoolExecutor
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for answers any more."""

    def __post_init__(self) -> None:
        self._turn = threading.Lock()
        self._under_way = [0] * len(self.settings.urls)

    @property
    def model(self) -> str:
        return self.settings.model

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._unit(texts, self.settings.query_prompt)

    def documents(self, texts: Sequence[str]) -> Vectors:
        return self._unit(texts, self.settings.document_prompt)

    def _unit(self, texts: Sequence[str], prompt: str) -> Vectors:
        if not texts:  # only the server knows its dimensions
            return self._unit(["a"], prompt)[:0]
        asked = [self.threads.submit(self._ask, batch) for batch in self._batches([prompt + text for text in texts])]
        try:
            found = [future.result() for future in asked]
        except BaseException:
            for future in asked:
                future.cancel()
            raise
        if len({vectors.shape[1] for vectors in found}) > 1:
            raise self._wrong("gave vectors of different dimensions", "are all of embedder.url of the same model?")
        vectors: Vectors = np.concatenate(found)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and (norms > 0).all()):
            raise self._wrong("gave vectors that are zero or not finite", "start the server with --dtype float32")
        vectors /= norms
        return vectors

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Cut texts, in their order: servers that batch for themselves gain nothing by sorted ones."""
        batch, characters = list[str](), 0
        for text in texts:
            full = len(batch) == self.settings.batch_size or characters + len(text) > self.settings.batch_characters
            if batch and full:
                yield batch
                batch, characters = [], 0
            batch.append(text)
            characters += len(text)
        yield batch

    def _ask(self, texts: list[str]) -> Vectors:
        """Return float32 [n, d], as they come. Raises ModelError."""
        body: dict[str, Any] = {"model": self.settings.model, "input": texts, "encoding_format": "base64"}
        if self.settings.dimensions:
            body["dimensions"] = self.settings.dimensions
        if self.settings.max_tokens:
            body["truncate_prompt_tokens"] = self.settings.max_tokens
        last = -1
        for attempt in range(self.settings.tries):
            with self._server(last) as last:
                try:
                    return self._try(self.settings.urls[last], body)
                except _Again as error:
                    reason = str(error)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt) * random.uniform(0.5, 1.5)
            if attempt + 1 < self.settings.tries and self.ended.wait(pause):
                break
        fix = "start it again, then run the same command: finished shards are kept"
        raise self._wrong(f"does not answer, after {attempt + 1} tries: {reason}", fix, last)

    @contextlib.contextmanager
    def _server(self, last: int) -> Iterator[int]:
        """Choose the server with the fewest requests under way, rather not the one that has just failed."""
        with self._turn:
            chosen = min(range(len(self._under_way)), key=lambda at: (at == last, self._under_way[at]))
            self._under_way[chosen] += 1
        try:
            yield chosen
        finally:
            with self._turn:
                self._under_way[chosen] -= 1

    def _try(self, url: str, body: dict[str, Any]) -> Vectors:
        try:
            reply = self.client.post(f"{url.rstrip('/')}/embeddings", json=body)
        except httpx.RequestError as error:
            raise _Again(f"{type(error).__name__}: {error}") from error
        if reply.status_code in _PASSING or reply.status_code >= 500:
            raise _Again(f"HTTP {reply.status_code}: {reply.text[:200]}")
        if reply.status_code != 200:
            what = f"HTTP {reply.status_code}: {reply.text.strip()[:500]}"
            fix = f"check embedder.url, embedder.model and ${self.settings.api_key_env}; max_tokens for texts that are too long"
            raise self._wrong(what, fix, self.settings.urls.index(url))
        try:
            data = sorted(reply.json()["data"], key=lambda entry: int(entry["index"]))
            if [entry["index"] for entry in data] != list(range(len(body["input"]))):
                raise _Again(f"{len(body['input'])} texts went out, vectors came for {len(data)}, or not for each one")
            vectors = np.stack([_vector(entry["embedding"]) for entry in data])
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise _Again(f"the answer is none: {type(error).__name__}: {error}") from error
        if vectors.ndim != 2:
            raise _Again("the answer has no vector per text")
        return vectors

    def _wrong(self, what: str, fix: str, server: int = 0) -> ModelError:
        where = self.settings.urls[server]
        return ModelError(f"embedder {self.model!r} at {where}: {secrets.redact(what)}", fix=fix)


def _vector(said: Any) -> Vectors:
    """Read a vector in base64, float32 as the server has it, or of a server that only knows lists."""
    if isinstance(said, str):
        return np.frombuffer(base64.b64decode(said, validate=True), "<f4").astype(np.float32)
    return np.asarray(said, np.float32)


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[ServerEncoder]:
    """Connect when the first text is there. Raises ModelError when the key cannot be sent."""
    secrets.register(settings.api_key_env)
    key = os.environ.get(settings.api_key_env, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ModelError(
            f"${settings.api_key_env} holds characters that no HTTP header can carry",
            fix=f"set ${settings.api_key_env} again",
        )
    limits = httpx.Limits(max_connections=settings.in_flight, max_keepalive_connections=settings.in_flight)
    timeout = httpx.Timeout(settings.timeout, connect=min(CONNECTING, settings.timeout))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(headers=headers, timeout=timeout, limits=limits) as client:
        threads = ThreadPoolExecutor(settings.in_flight, thread_name_prefix="embedder")
        encoder = ServerEncoder(settings, client, threads)
        try:
            yield encoder
        finally:
            encoder.ended.set()
            threads.shutdown(wait=False, cancel_futures=True)
