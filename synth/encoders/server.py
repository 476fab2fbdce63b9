"""An embedding server that speaks OpenAI's /v1/embeddings: `vllm serve MODEL --runner pooling`, or any other.

Texts go in batches of like length. Vectors are asked for in base64: exact float32, a quarter of the decimals' bytes; a
server that sends decimals all the same is understood. Whatever it sends is brought to unit length here.
"""

import base64
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synth import servers
from synth.encoders import Vectors, unit
from synth.errors import ModelError
from synth.servers import Client, ServerSettings, Urls


class Settings(ServerSettings):
    """A server that answers /v1/embeddings. It adds no prompts of its own: they are said here."""

    limits = ("max_tokens",)
    kind: Literal["server"]
    url: Urls = "http://127.0.0.1:8001/v1"
    """Its address, up to and including /v1; or a list of them, all of the same model."""
    api_key_env: str = "SYNTH_EMBEDDER_API_KEY"
    """Name of the environment variable that holds the key, if the server wants one."""
    query_prompt: str = ""
    """Put before each query, e.g. `"Instruct: …\\nQuery: "` for Qwen3-Embedding."""
    document_prompt: str = ""
    """The same for documents."""
    max_tokens: int | None = Field(None, ge=8)
    """Have texts cut here, by vLLM's `truncate_prompt_tokens`. Without it, vLLM refuses a text that is too long."""
    dimensions: int | None = Field(None, ge=1)
    """Ask for vectors cut to so many dimensions, of a model that was trained for it (Matryoshka)."""


@dataclass(frozen=True)
class ServerEncoder:
    settings: Settings
    client: Client
    _known: dict[str, int] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return self.settings.model

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed([self.settings.query_prompt + text for text in texts])

    def documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed([self.settings.document_prompt + text for text in texts])

    def _embed(self, texts: list[str]) -> Vectors:
        if not texts:
            if "dimensions" not in self._known:
                self._embed(["."])  # how many dimensions no texts have, only the server knows
            return np.zeros((0, self._known["dimensions"]), np.float32)
        asked = list(servers.batches(list(map(len, texts)), self.settings.batch_size, self.settings.batch_characters))
        limits = {"dimensions": self.settings.dimensions, "truncate_prompt_tokens": self.settings.max_tokens}
        own = {name: limit for name, limit in limits.items() if limit}
        bodies = [{"input": [texts[at] for at in batch], "encoding_format": "base64", **own} for batch in asked]
        blocks = self.client.ask("/embeddings", bodies, lambda number, answer: _vectors(answer, len(asked[number])))
        wide = {block.shape[1] for block in blocks} | {*self._known.values()}
        if len(wide) > 1 or (self.settings.dimensions and wide != {self.settings.dimensions}):
            raise ModelError(
                f"embedder {self.model!r} gave vectors of {', '.join(map(str, sorted(wide)))} dimensions"
                + (f", {self.settings.dimensions} were asked for" if self.settings.dimensions else ""),
                fix="correct embedder.dimensions, and let all servers in embedder.url serve the same model",
            )
        (self._known["dimensions"],) = wide
        vectors = np.zeros((len(texts), *wide), np.float32)
        for batch, block in zip(asked, blocks, strict=True):
            vectors[batch] = block
        return unit(vectors, self.model, "serve it in float32 or bfloat16 (float16 overflows in some models)")


def _vectors(answer: Any, number: int) -> Vectors:
    """Read an answer, in whatever order its vectors are. Raises ValueError, KeyError or TypeError when it is none."""
    found = servers.in_order(((item["index"], item["embedding"]) for item in answer["data"]), number)
    block = np.stack([_vector(one) for one in found])
    if block.ndim != 2 or not block.shape[1]:
        raise ValueError(f"vectors of the shape {block.shape[1:]}")
    return block


def _vector(sent: Any) -> Vectors:
    if isinstance(sent, str):
        return np.frombuffer(base64.b64decode(sent, validate=True), "<f4").astype(np.float32)
    return np.asarray(sent, np.float32)


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[ServerEncoder]:
    with servers.opened(settings, "embedder") as client:
        yield ServerEncoder(settings, client)
