"""Any sentence-transformers CrossEncoder with one label, in this process.

The library sorts the pairs of a call by length before it batches them. Its own activation is not used: it is a sigmoid for
most models and nothing for some, and a sigmoid of the logit is what is asked for here.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synth import weights
from synth.errors import ModelError
from synth.rerankers import Pair, Scores, probabilities
from synth.settings import CachedSettings


class Settings(CachedSettings):
    """A sentence-transformers CrossEncoder. `model` is a Hub name, a folder, or `package:NAME/PATH`."""

    kind: Literal["cross_encoder"]
    model: str
    revision: str | None = None
    device: str | None = None
    """`cpu`, `cuda`, `cuda:1`…; without one, the best there is."""
    batch_size: int = Field(32, ge=1)
    max_tokens: int | None = Field(None, ge=8)
    """Cut query and passage here. Without one, the model's own limit holds."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    trust_remote_code: bool = False
    """Run Python code that comes with the weights."""

    @property
    def gpus(self) -> int:
        return int(self.device != "cpu")


@dataclass(frozen=True)
class CrossEncoderReranker:
    settings: Settings
    loaded: Any

    @property
    def model(self) -> str:
        return self.settings.model

    def scores(self, pairs: Sequence[Pair]) -> Scores:
        if not pairs:
            return np.zeros(0, np.float32)
        import torch

        try:
            logits = self.loaded.predict(
                list(pairs),
                batch_size=self.settings.batch_size,
                activation_fn=torch.nn.Identity(),
                show_progress_bar=False,
            )
        except RuntimeError as error:  # out of memory, or a device that has gone
            raise ModelError(
                f"reranker {self.model!r} died: {error}",
                fix="lower reranker.batch_size or reranker.max_tokens, then run again: finished shards are kept",
            ) from error
        with np.errstate(over="ignore"):  # exp of a large number is inf, and 1 / inf is 0
            return probabilities(1 / (1 + np.exp(-np.asarray(logits, np.float32).ravel())), self.model)


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[CrossEncoderReranker]:
    """Load the model, and let go of the device's memory afterwards, for the stages that follow."""
    reranker = CrossEncoderReranker(settings, _load(settings))
    try:
        yield reranker
    finally:
        object.__setattr__(reranker, "loaded", None)
        weights.release()


def _load(settings: Settings) -> Any:
    with weights.loading("reranker", settings.model, "lexical") as name:
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(
            name,
            device=settings.device,
            revision=settings.revision,
            trust_remote_code=settings.trust_remote_code,
            max_length=settings.max_tokens,
            model_kwargs={"dtype": settings.dtype},
        )
        labels = model.num_labels
    if labels != 1:
        raise ModelError(
            f"reranker {settings.model!r} tells {labels} classes apart: which of them is relevance is not known",
            fix="name a model with one label, such as BAAI/bge-reranker-v2-m3",
        )
    return model
