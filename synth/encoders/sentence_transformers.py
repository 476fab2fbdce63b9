"""Any sentence-transformers model, in this process, with its own prompts for queries and documents.

With a list of devices it runs in a process per device (the library's own pool), which are there as long as the stage is."""

import contextlib
import math
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from synth import weights
from synth.encoders import Vectors, unit
from synth.errors import ModelError
from synth.settings import CachedSettings


class Settings(CachedSettings):
    """A sentence-transformers model. `model` is a Hub name, a folder, or `package:NAME/PATH`."""

    kind: Literal["sentence_transformers"]
    model: str
    revision: str | None = None
    device: str | Annotated[list[str], Field(min_length=1)] | None = None
    """`cpu`, `cuda`, `cuda:1`…; without one, the best there is. A list (`[cuda:0, cuda:1]`) makes use of all of them."""
    batch_size: int = Field(32, ge=1)
    query_prompt: str | None = None
    """Put before each query instead of the model's own prompt; an empty string switches that off."""
    document_prompt: str | None = None
    """The same for documents."""
    max_tokens: int | None = Field(None, ge=8)
    """Cut texts here. Without one, the model's own limit holds (256 for all-MiniLM-L6-v2)."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    trust_remote_code: bool = False
    """Run Python code that comes with the weights."""

    @property
    def gpus(self) -> int:
        devices = self.device if isinstance(self.device, list) else [self.device]
        return sum(device != "cpu" for device in devices)


@dataclass(frozen=True)
class SentenceTransformersEncoder:
    settings: Settings
    loaded: Any
    pool: Any = None
    """The library's processes, if there are several devices."""

    @property
    def model(self) -> str:
        return self.settings.model

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._unit(self.loaded.encode_query, texts, self.settings.query_prompt)

    def documents(self, texts: Sequence[str]) -> Vectors:
        return self._unit(self.loaded.encode_document, texts, self.settings.document_prompt)

    def _unit(self, encode: Any, texts: Sequence[str], prompt: str | None) -> Vectors:
        if not texts:
            return np.zeros((0, self.loaded.get_embedding_dimension()), np.float32)
        try:
            found = encode(
                list(texts),
                prompt=prompt,
                batch_size=self.settings.batch_size,
                show_progress_bar=False,
                **self._shares(len(texts)),
            )
        except RuntimeError as error:  # out of memory, or a device or process that has gone
            raise ModelError(
                f"embedder {self.model!r} died: {error}",
                fix="lower embedder.batch_size or embedder.max_tokens, then run again: finished shards are kept",
            ) from error
        # Unit length is made here, in float32: in bfloat16 it would be right to two digits only.
        return unit(
            np.asarray(found, np.float32), self.model, "embedder.dtype: float32 (float16 overflows in some models)"
        )

    def _shares(self, number: int) -> dict[str, Any]:
        if not self.pool:
            return {}
        # As the library would cut (ten shares a device, so that none waits long for another), but never below a batch.
        share = math.ceil(number / len(self.pool["processes"]) / 10)
        return {"pool": self.pool, "chunk_size": max(self.settings.batch_size, min(share, 5000))}


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[SentenceTransformersEncoder]:
    """Load the model, and let go of the device's memory afterwards, for the stages that follow."""
    loaded = _load(settings)
    pool = _pool(loaded, settings.device) if isinstance(settings.device, list) else None
    encoder = SentenceTransformersEncoder(settings, loaded, pool)
    try:
        yield encoder
    finally:
        if pool:
            loaded.stop_multi_process_pool(pool)
        object.__setattr__(encoder, "loaded", None)
        weights.release()


def _load(settings: Settings) -> Any:
    with weights.loading("embedder", settings.model, "hashing") as name:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.util import load_file_path
        from transformers.utils import logging

        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            model = SentenceTransformer(
                name,
                device="cpu" if isinstance(settings.device, list) else settings.device,  # its processes move it
                revision=settings.revision,
                trust_remote_code=settings.trust_remote_code,
                model_kwargs={"dtype": settings.dtype},
            )
        finally:
            if bars:
                logging.enable_progress_bar()
    # Without this file the library makes up a pooling of its own: an embedder, but not the one that was asked for.
    if load_file_path(name, "modules.json", revision=settings.revision) is None:
        raise ModelError(
            f"embedder {settings.model!r} is not a sentence-transformers model: it has no modules.json",
            fix="name an embedding model, or save this one once with the pooling it was trained with",
        )
    if settings.max_tokens:
        model.max_seq_length = settings.max_tokens
    return model


def _pool(loaded: Any, devices: list[str]) -> Any:
    """Start the processes. An interrupt from the terminal reaches them too, and must not: synth finishes what it began."""
    if threading.current_thread() is not threading.main_thread():
        return loaded.start_multi_process_pool(devices)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # they inherit it
    try:
        return loaded.start_multi_process_pool(devices)
    finally:
        signal.signal(signal.SIGINT, before)
