"""A reranker for tests that notes what it is asked: `reranker: {kind: tests.counted_reranker}`."""

import contextlib
from collections.abc import Iterator, Sequence

from synth.rerankers import Pair, Scores
from synth.rerankers.lexical import LexicalReranker
from synth.settings import KindSettings

ASKED: list[Pair] = []


class Settings(KindSettings):
    model: str = "counted"
    cache: bool = True


class CountedReranker(LexicalReranker):
    def scores(self, pairs: Sequence[Pair]) -> Scores:
        ASKED.extend(pairs)
        return super().scores(pairs)


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[CountedReranker]:
    yield CountedReranker(settings.model)
