"""Vectors and judgements of relevance that are remembered, so that no text is embedded, and no pair judged, twice.

Around any encoder or reranker with `cache: true`, for all stages alike: `vectors/<model>.sqlite` and
`reranks/<model>.sqlite` in the run's folder. A key is a hash of what shapes the number, of the side (query or document) and
of the text; a body is float32, little-endian, so that what is read back is what was computed, bit for bit.

What a call lacks is computed as one call, and put as one commit before the call returns. The last bits of a vector come
with the shape of its batch: the same stages over the same shards, killed anywhere, give the same vectors, since a call
finds either all that it computed before or nothing of it. A run that came to its settings by way of others may differ from
one that began with them in the last bits of float32, and so may runs whose workers share a cache and finish in other orders.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import encoders, rerankers
from synth.encoders import Encoder, Vectors
from synth.errors import ModelError
from synth.kept import Keep
from synth.rerankers import Pair, Reranker, Scores
from synth.settings import CachedSettings, KindSettings, fingerprint
from synth.stage import Workspace


@contextlib.contextmanager
def opened(settings: KindSettings, workspace: Workspace) -> Iterator[Encoder]:
    """Open the encoder that `settings` name, behind the run's cache where they say so."""
    with contextlib.ExitStack() as stack:
        encoder = stack.enter_context(encoders.opened(settings))
        if isinstance(settings, CachedSettings) and settings.cache:
            name = fingerprint(encoders.identity(settings))
            keep = stack.enter_context(workspace.keep(f"vectors/{name}.sqlite"))
            encoder = CachedEncoder(encoder, keep, name)
        yield encoder


@contextlib.contextmanager
def opened_reranker(settings: KindSettings, workspace: Workspace) -> Iterator[Reranker]:
    """Open the reranker that `settings` name, behind the run's cache where they say so."""
    with contextlib.ExitStack() as stack:
        reranker = stack.enter_context(rerankers.opened(settings))
        if isinstance(settings, CachedSettings) and settings.cache:
            name = fingerprint(rerankers.identity(settings))
            keep = stack.enter_context(workspace.keep(f"reranks/{name}.sqlite"))
            reranker = CachedReranker(reranker, keep, name)
        yield reranker


@dataclass(frozen=True)
class CachedEncoder:
    encoder: Encoder
    keep: Keep
    name: str
    """What shapes the vectors, hashed."""

    @property
    def model(self) -> str:
        return self.encoder.model

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._vectors("query", texts, self.encoder.queries)

    def documents(self, texts: Sequence[str]) -> Vectors:
        return self._vectors("document", texts, self.encoder.documents)

    def _vectors(self, side: str, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
        if not texts:
            return embed([])  # the encoder still knows the dimensions
        keys = {text: _key(self.name, side, text) for text in texts}
        return _through(self.keep, keys, texts, embed)


@dataclass(frozen=True)
class CachedReranker:
    reranker: Reranker
    keep: Keep
    name: str

    @property
    def model(self) -> str:
        return self.reranker.model

    def scores(self, pairs: Sequence[Pair]) -> Scores:
        keys = {pair: _key(self.name, *pair) for pair in pairs}
        return _through(self.keep, keys, pairs, self.reranker.scores).ravel() if pairs else self.reranker.scores([])


def _through(
    keep: Keep, keys: dict[Any, bytes], asked: Sequence[Any], compute: Callable[[list[Any]], npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Return what is kept for each of `asked`, float32 [n, d]; compute what is not, each once, and keep it."""
    found = dict(keep.get_many(list(keys.values())))
    if missing := [one for one, key in keys.items() if key not in found]:
        made = {keys[one]: row.astype("<f4").tobytes() for one, row in zip(missing, compute(missing), strict=True)}
        keep.put_many(made)
        found |= made
    bodies = [found[keys[one]] for one in asked]
    if len({len(body) for body in bodies}) > 1:
        raise ModelError(
            "what was kept of a model has other dimensions than what it gives now",
            fix="is it another model under the same name? Give its `revision`, or delete vectors/ in the run's folder",
        )
    return np.frombuffer(b"".join(bodies), "<f4").reshape(len(bodies), -1).astype(np.float32)


def _key(*parts: str) -> bytes:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()
