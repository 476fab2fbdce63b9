"""What answers requests. An engine is one method, `complete`; concurrency, retries of answers and the journal live around it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, Protocol

from pydantic import Field

from synth.prompts import Message
from synth.settings import KindSettings, Strict

AT_ONCE = 128
"""Requests to have under way where an engine does not say."""
COUNTERS = ("prefix_cache_queries", "prefix_cache_hits")
"""Prompt tokens looked for in the prefix cache, and found there: vLLM's names."""

_encode = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make an encoder for each request


class Sampling(Strict):
    """How tokens are drawn. The defaults are Qwen3's recommendation for answering without thinking."""

    temperature: float = Field(0.7, ge=0)
    top_p: float = Field(0.8, gt=0, le=1)
    top_k: int = Field(20, ge=0)
    min_p: float = Field(0.0, ge=0, le=1)
    max_tokens: int = Field(256, ge=1)
    """An answer that reaches it is rejected as `cut_off`."""


class EngineSettings(KindSettings):
    """What every engine has."""

    model: str
    revision: str | None = None
    sampling: Sampling = Sampling()
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the model's chat template, e.g. {enable_thinking: false} for Qwen3."""
    deadline: float = Field(1800, gt=0)
    """Seconds that a request may take in all, waiting and retries included; then its row fails as `deadline`."""
    in_flight: int | None = Field(None, ge=1)
    """Rows under way at once, at most. Without it, as many as keep the engine busy, which it finds out itself."""

    @cached_property
    def identity(self) -> str:
        """What shapes an answer besides the request: part of the journal's keys. Engines of one model share answers."""
        parts = [self.model, self.revision, self.chat_template_kwargs]
        return json.dumps(parts, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Request:
    messages: tuple[Message, ...]
    schema: str
    """JSON schema of the answer, as a string: equal strings are compiled once by the engine."""
    sampling: Sampling
    seed: int
    prefix: str = ""
    """Requests with the same one begin alike (they are about one passage): best answered by the same cache. Shapes no
    answer, and is in no key."""

    def key(self, engine: str) -> str:
        """Hash everything that shapes the answer to 32 hex digits: the journal's key. `engine` is EngineSettings.identity."""
        messages = [{"role": message.role, "content": message.content} for message in self.messages]
        of_all = _text(engine), _text(self.schema), _text(self.sampling)
        parts = f"[{of_all[0]}, {_encode(messages)}, {of_all[1]}, {of_all[2]}, {self.seed}]"
        return hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@lru_cache(256)
def _text(part: str | Sampling) -> str:
    """Return as JSON what thousands of requests have in common."""
    return _encode(part if isinstance(part, str) else part.model_dump())


@dataclass(frozen=True, slots=True)
class Response:
    text: str
    finish: Literal["stop", "length"]
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens that the engine did not compute again."""
    output_tokens: int = 0


class RequestFailed(Exception):
    """One request cannot be answered; the engine goes on. Costs its row, under `reason`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Engine(Protocol):
    """One method; an engine that knows more of itself has two more, which `capacity` and `counters` ask for."""

    async def complete(self, request: Request) -> Response:
        """Answer one request. Raises RequestFailed when just this one cannot be answered, ModelError when none can."""


def capacity(engine: Engine) -> int:
    """How many requests an engine should have at once to be busy, and no more: its property `capacity`, which may change
    from one moment to the next, or AT_ONCE."""
    found: int = getattr(engine, "capacity", AT_ONCE)
    return found


def counters(engine: Engine) -> Mapping[str, float]:
    """What an engine has counted since it was opened: what its method `counters` returns, or nothing. Names are
    those of COUNTERS."""
    count = getattr(engine, "counters", None)
    return count() if count else {}
