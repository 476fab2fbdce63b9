"""A reranker for tests that notes what it is asked: `reranker: {kind: tests.counted_reranker}`."""

import contextlib
from collections.abc import Iterator, Sequence

from synth.rerankers import Pair, Scores
from synth.rerankers.lexical import LexicalReranker
from synth.settings import CachedSettings

ASKED: list[Pair] = []


class Settings(CachedSettings):
    model: str = "counted"


class CountedReranker(LexicalReranker):
    def scores(self, pairs: Sequence[Pair]) -> Scores:
        ASKED.extend(pairs)
        return super().scores(pairs)


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[CountedReranker]:
    yield CountedReranker(settings.model)
