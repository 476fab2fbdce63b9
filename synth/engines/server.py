"""An OpenAI-compatible server: `vllm serve` on this or another machine, or anything else that speaks its protocol.

The answer's schema goes as `response_format`; a server that ignores it is found out when the answer is parsed.
"""

import asyncio
import contextlib
import json
import os
import random
from collections.abc import Iterator
from typing import Any, Literal

import httpx
from pydantic import Field

from synth.engines import EngineSettings, Request, RequestFailed, Response
from synth.errors import ModelError

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that another try may mend."""


class Settings(EngineSettings):
    """A server that answers /v1/chat/completions."""

    kind: Literal["server"]
    url: str = "http://127.0.0.1:8000/v1"
    """Its address, up to and including /v1."""
    api_key_env: str = "SYNTH_API_KEY"
    """Name of the environment variable that holds the key, if the server wants one. Keys stand in no file."""
    timeout: float = Field(300, gt=0)
    """Seconds that one try may take."""
    tries: int = Field(5, ge=1)
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """E.g. {enable_thinking: false} for Qwen3."""


@contextlib.contextmanager
def open(settings: Settings) -> Iterator["ServerEngine"]:
    yield ServerEngine(settings)


class ServerEngine:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def complete(self, request: Request) -> Response:
        """Answer one request; retries what may pass by itself, with a doubling, jittered pause or as the server asks."""
        pause, last = 1.0, ""
        for attempt in range(self._settings.tries):
            if attempt:
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = 2.0**attempt
            try:
                reply = await self._connected().post("/chat/completions", json=self._body(request))
            except httpx.TransportError as error:
                last = f"{type(error).__name__}: {error}"
                continue
            if reply.status_code in RETRIED:
                last = f"HTTP {reply.status_code}: {reply.text[:200]}"
                pause = _asked_pause(reply, pause)
                continue
            return self._read(reply)
        if last.startswith("Connect"):
            raise ModelError(
                f"engine server: {self._settings.url} cannot be reached: {last}",
                fix="start it (vllm serve MODEL --port 8000), or correct engine.url",
            )
        raise RequestFailed("server_error", last)

    def _connected(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            key = os.environ.get(self._settings.api_key_env)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            limits = httpx.Limits(max_connections=self._settings.in_flight, max_keepalive_connections=None)
            self._client = httpx.AsyncClient(
                base_url=self._settings.url.rstrip("/"), timeout=self._settings.timeout, headers=headers, limits=limits
            )
            self._loop = loop
        return self._client

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "seed": request.seed,
            **request.sampling.model_dump(),
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": json.loads(request.schema), "strict": True},
            },
        }
        if self._settings.chat_template_kwargs:
            body["chat_template_kwargs"] = self._settings.chat_template_kwargs
        return body

    def _read(self, reply: httpx.Response) -> Response:
        if reply.status_code in (401, 403, 404):
            raise ModelError(
                f"engine server: HTTP {reply.status_code}: {reply.text[:200]}",
                fix=f"check engine.url, engine.model, and the key in ${self._settings.api_key_env}",
            )
        if reply.status_code != 200:
            too_long = "context length" in reply.text or "longer than" in reply.text
            raise RequestFailed(
                "prompt_too_long" if too_long else "refused", f"HTTP {reply.status_code}: {reply.text[:200]}"
            )
        try:
            body = reply.json()
            choice, usage = body["choices"][0], body.get("usage") or {}
            text, finish = choice["message"]["content"], choice["finish_reason"]
            details = usage.get("prompt_tokens_details") or {}
            if finish not in ("stop", "length") or not isinstance(text, str):
                raise RequestFailed("engine_error", f"finish_reason {finish!r}")
            return Response(
                text,
                finish,
                int(usage.get("prompt_tokens") or 0),
                int(details.get("cached_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise RequestFailed("bad_reply", f"{type(error).__name__}: {error}: {reply.text[:200]}") from error


def _asked_pause(reply: httpx.Response, otherwise: float) -> float:
    """Return the seconds of Retry-After, at most a minute; a date or nonsense counts as nothing said."""
    try:
        return min(60.0, max(0.0, float(reply.headers["Retry-After"])))
    except (KeyError, ValueError):
        return otherwise
