"""What judges how well a passage answers a query. A reranker is one method; a plug-in has `Settings` and `open(settings)`.

A reranker reads both texts together and so sees what two vectors cannot; it is some hundred times slower.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from synth import plugins
from synth.errors import ModelError
from synth.settings import PLACE, KindSettings

Pair = tuple[str, str]
"""Query and passage."""
Scores = npt.NDArray[np.float32]


class Reranker(Protocol):
    @property
    def model(self) -> str:
        """Name of the model, for cards and reports."""

    def scores(self, pairs: Sequence[Pair]) -> Scores:
        """Return float32 [n]: the probability, 0 to 1, that the passage is relevant. Raises ModelError."""


def opened(settings: KindSettings) -> AbstractContextManager[Reranker]:
    """Open the reranker that `settings` name, for the time of a `with`."""
    return plugins.load("rerankers", settings.kind).open(settings)  # type: ignore[no-any-return]


def identity(settings: KindSettings) -> dict[str, Any]:
    """Return what shapes the scores, for fingerprints: another device, server or batch size must not undo a run."""
    return settings.model_dump(mode="json", exclude=PLACE)


def probabilities(scores: Any, model: str) -> Scores:
    """Return scores as float32 [n]. Raises ModelError for one that is no probability."""
    found: Scores = np.asarray(scores, np.float32)
    if not ((found >= 0) & (found <= 1)).all():
        odd = found[~((found >= 0) & (found <= 1))][0]
        raise ModelError(
            f"reranker {model!r} gave a score of {odd}, which is no probability",
            fix="serve or load it so that it gives one (a sigmoid, or the softmax of yes and no: docs/encoders.md), in float32 "
            "or bfloat16",
        )
    return found
