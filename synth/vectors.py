"""Vectors of an encoder, kept by text: what was embedded once in a run is not embedded again, by whichever stage.

A text is known by a hash of the encoder's identity, of the side (query or document) and of itself, so that another model or
prompt finds nothing. All that a call lacks is embedded in one go and put in one commit: a run that was killed has either
all of a call's vectors or none, and makes the same batches again.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synth import encoders
from synth.encoders import CachedSettings, Encoder, Vectors
from synth.errors import ModelError
from synth.kept import Keep
from synth.settings import KindSettings
from synth.stage import Workspace

FILE = "vectors/vectors.sqlite"
_KIND = np.dtype("<f4")


@dataclass(frozen=True)
class CachedEncoder:
    """Satisfies Encoder."""

    encoder: Encoder
    keep: Keep
    identity: str
    """Of the encoder: all that shapes its vectors."""

    @property
    def model(self) -> str:
        return self.encoder.model

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(self.encoder.queries, "query", texts)

    def documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed(self.encoder.documents, "document", texts)

    def _embed(self, embed: Callable[[Sequence[str]], Vectors], side: str, texts: Sequence[str]) -> Vectors:
        """Return float32 [n, d]. Raises ModelError, or StoreError when what is new cannot be kept."""
        prefix = f"{self.identity}\n{side}\n".encode()
        keys = [hashlib.blake2b(prefix + text.encode(), digest_size=16).digest() for text in texts]
        distinct = dict(zip(keys, texts, strict=True))
        found = dict(self.keep.get_many(list(distinct)))
        lacking = {key: text for key, text in distinct.items() if key not in found}
        if lacking or not texts:  # without texts the encoder still knows the dimensions
            vectors = embed(list(lacking.values())).astype(_KIND, copy=False)
            if not texts:
                return vectors
            made = {key: vector.tobytes() for key, vector in zip(lacking, vectors, strict=True)}
            self.keep.put_many(made)
            found |= made
        bodies = [found[key] for key in keys]
        if len({len(body) for body in bodies}) > 1:
            raise ModelError(
                f"embedder {self.model!r}: vectors kept in {FILE} have other dimensions than those it gives now",
                fix="is it another model under the same name? Move that file of the run's folder away, or give another name",
            )
        return np.frombuffer(b"".join(bodies), _KIND).reshape(len(texts), -1).astype(np.float32)


@contextlib.contextmanager
def opened(settings: KindSettings, workspace: Workspace) -> Iterator[Encoder]:
    """Open the encoder that `settings` name; one that says `cache` gets and puts vectors in the run's file."""
    with encoders.opened(settings) as encoder:
        if not (isinstance(settings, CachedSettings) and settings.cache):
            yield encoder
            return
        with workspace.keep(FILE) as keep:
            yield CachedEncoder(encoder, keep, json.dumps(encoders.identity(settings), sort_keys=True))
