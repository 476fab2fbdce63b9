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
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    with encoders.opened(settings) as encoder, _cache(settings, workspace, "vectors", encoders.identity) as cache:
        yield CachedEncoder(encoder, *cache) if cache else encoder


@contextlib.contextmanager
def opened_reranker(settings: KindSettings, workspace: Workspace) -> Iterator[Reranker]:
    """Open the reranker that `settings` name, behind the run's cache where they say so."""
    with rerankers.opened(settings) as reranker, _cache(settings, workspace, "reranks", rerankers.identity) as cache:
        yield CachedReranker(reranker, *cache) if cache else reranker


@contextlib.contextmanager
def _cache(
    settings: KindSettings, workspace: Workspace, folder: str, identity: Callable[[KindSettings], Mapping[str, Any]]
) -> Iterator[tuple[Keep, str] | None]:
    """Open the file of what is remembered of a model, and yield it with the hash of what shapes that; null where nothing is."""
    if not (isinstance(settings, CachedSettings) and settings.cache):
        yield None
        return
    name = fingerprint(identity(settings))
    with workspace.keep(f"{folder}/{name}.sqlite") as keep:
        yield keep, name


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
