"""An encoder for tests that notes what it is asked: `embedder: {kind: tests.counted_encoder}`."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synth.encoders import Vectors
from synth.encoders.hashing import HashingEncoder
from synth.settings import CachedSettings

ASKED: list[tuple[str, str]] = []
"""Side and text."""


class Settings(CachedSettings):
    dimensions: int = 64
    wobble: float = 0
    """What the number of texts in a call adds to their vectors: as a real model's batches do, but more."""


@dataclass(frozen=True)
class CountedEncoder(HashingEncoder):
    wobble: float

    def queries(self, texts: Sequence[str]) -> Vectors:
        ASKED.extend(("query", text) for text in texts)
        return super().documents(texts) + np.float32(self.wobble * len(texts))

    def documents(self, texts: Sequence[str]) -> Vectors:
        ASKED.extend(("document", text) for text in texts)
        return super().documents(texts) + np.float32(self.wobble * len(texts))


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[CountedEncoder]:
    yield CountedEncoder(settings.dimensions, 4, settings.wobble)
