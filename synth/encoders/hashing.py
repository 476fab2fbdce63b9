"""Feature hashing: words and character n-grams, hashed into a fixed number of dimensions.

It needs no weights and no torch, and gives the same vectors on every machine. It knows spelling and nothing else: no
synonyms, no other languages. It serves tests, dry runs and machines without torch; a training set that is meant to be
trained on wants a real embedder.
"""

import contextlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from synth.encoders import Vectors
from synth.settings import KindSettings

_WORD = re.compile(r"\w+")


class Settings(KindSettings):
    """Words and character n-grams, hashed (Weinberger et al. 2009): for tests and dry runs."""

    kind: Literal["hashing"]
    dimensions: int = Field(512, ge=8)
    ngram: int = Field(4, ge=1)
    """Length of the character n-grams, which go beside whole words."""


@dataclass(frozen=True)
class HashingEncoder:
    dimensions: int
    ngram: int

    @property
    def model(self) -> str:
        return f"hashing-{self.dimensions}"

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.documents(texts)

    def documents(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            found = Counter(zlib.crc32(feature.encode()) for feature in self._features(text))
            hashes = np.fromiter(found.keys(), np.uint32, len(found))
            # The highest bit is the sign, so that collisions cancel out on average instead of adding up.
            weights = np.sqrt(np.fromiter(found.values(), np.float32, len(found))) * np.where(hashes >> 31, -1, 1)
            np.add.at(vector, (hashes & 0x7FFF_FFFF) % self.dimensions, weights)
            norm = np.linalg.norm(vector)
            if norm > 0:
                vector /= norm
            else:
                vector[0] = 1.0  # no features, or all cancelled out: any unit vector will do, but always the same
        return vectors

    def _features(self, text: str) -> Iterator[str]:
        words = _WORD.findall(text.casefold())
        yield from words
        line = f" {' '.join(words)} "
        yield from (line[at : at + self.ngram] for at in range(len(line) - self.ngram + 1))


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[HashingEncoder]:
    yield HashingEncoder(settings.dimensions, settings.ngram)
