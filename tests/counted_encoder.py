"""An encoder for tests that notes what it is asked: `embedder: {kind: tests.counted_encoder}`."""

import contextlib
from collections.abc import Iterator, Sequence

from synth.encoders import Vectors
from synth.encoders.hashing import HashingEncoder
from synth.settings import KindSettings

ASKED: list[tuple[str, str]] = []
"""Side and text."""


class Settings(KindSettings):
    dimensions: int = 64
    cache: bool = True


class CountedEncoder(HashingEncoder):
    def queries(self, texts: Sequence[str]) -> Vectors:
        ASKED.extend(("query", text) for text in texts)
        return super().documents(texts)

    def documents(self, texts: Sequence[str]) -> Vectors:
        ASKED.extend(("document", text) for text in texts)
        return super().documents(texts)


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[CountedEncoder]:
    yield CountedEncoder(settings.dimensions, 4)
