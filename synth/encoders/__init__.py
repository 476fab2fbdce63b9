"""What turns texts into vectors. An encoder is two methods; a plug-in has `Settings` and `open(settings)`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synth import plugins
from synth.settings import KindSettings

Vectors = npt.NDArray[np.float32]
_PLACE = {
    "device", "batch_size", "batch_characters", "cache", "url", "api_key_env", "in_flight", "timeout", "tries",
}  # fmt: skip


class CachedSettings(KindSettings):
    """Of an encoder whose vectors are dearer to make than to keep."""

    cache: bool = True
    """Keep vectors in the run's folder by text, so that other settings of later stages embed nothing anew. Takes disk:
    4.7 KB a text at 384 dimensions. See docs/encoders.md for when to switch it off."""


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
    """Return what shapes the vectors, for fingerprints: another device or batch size must not undo a run."""
    return settings.model_dump(mode="json", exclude=_PLACE)
