"""The share of the query's words that the passage has. It needs no weights and is the same on every machine.

It knows spelling and nothing else. It serves tests and dry runs; a dataset that is meant to be trained on wants a real one.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from synth.rerankers import Pair, Scores
from synth.settings import KindSettings

_WORD = re.compile(r"\w+")


class Settings(KindSettings):
    """Shared words: for tests and dry runs."""

    kind: Literal["lexical"]


@dataclass(frozen=True)
class LexicalReranker:
    model: str = "lexical"

    def scores(self, pairs: Sequence[Pair]) -> Scores:
        return np.array([_shared(query, passage) for query, passage in pairs], np.float32)


def _shared(query: str, passage: str) -> float:
    words, there = set(_WORD.findall(query.casefold())), set(_WORD.findall(passage.casefold()))
    return len(words & there) / len(words) if words else 0.0


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[LexicalReranker]:
    yield LexicalReranker()
