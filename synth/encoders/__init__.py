"""What turns texts into vectors. An encoder is two methods; a plug-in has `Settings` and `open(settings)`.

Stages open theirs through `synth/vectors.py`, which remembers what was embedded.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synth import plugins
from synth.errors import ModelError
from synth.settings import PLACE, KindSettings

Vectors = npt.NDArray[np.float32]


class Encoder(Protocol):
    """Queries and documents go different ways, since many models want a prompt before one of the two."""

    @property
    def model(self) -> str:
        """Name of the model, for cards and reports."""

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Return float32 [n, d] of unit length. Raises ModelError when the model cannot go on."""

    def documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 [n, d] of unit length. Raises ModelError when the model cannot go on."""


def opened(settings: KindSettings) -> AbstractContextManager[Encoder]:
    """Open the encoder that `settings` name, for the time of a `with`."""
    return plugins.load("encoders", settings.kind).open(settings)  # type: ignore[no-any-return]


def identity(settings: KindSettings) -> dict[str, Any]:
    """Return what shapes the vectors, for fingerprints: another device, server or batch size must not undo a run."""
    return settings.model_dump(mode="json", exclude=PLACE)


def unit(vectors: Vectors, model: str, fix: str) -> Vectors:
    """Bring vectors to unit length, in place. Raises ModelError, with `fix`, for one that is zero or not finite."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        raise ModelError(f"embedder {model!r} gave vectors that are zero or not finite", fix=fix)
    vectors /= norms
    return vectors
