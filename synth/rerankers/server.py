"""A server that speaks /v1/rerank, as Jina, Cohere and vLLM do: one query and many documents a request.

The documents of one query go together. A server may leave out or sort what it returns: each score is put where its
`index` says, and an answer that lacks one is asked for again.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from synth import servers
from synth.rerankers import Pair, Scores, probabilities
from synth.servers import Client, ServerSettings, Urls


class Settings(ServerSettings):
    """A server that answers /v1/rerank. docs/encoders.md has vLLM's flags for Qwen3-Reranker."""

    kind: Literal["server"]
    url: Urls = "http://127.0.0.1:8002/v1"
    """Its address, up to and including /v1; or a list of them, all of the same model."""
    api_key_env: str = "SYNTH_RERANKER_API_KEY"
    """Name of the environment variable that holds the key, if the server wants one."""


@dataclass(frozen=True)
class ServerReranker:
    settings: Settings
    client: Client

    @property
    def model(self) -> str:
        return self.settings.model

    def scores(self, pairs: Sequence[Pair]) -> Scores:
        of: dict[str, list[int]] = {}
        for at, (query, _) in enumerate(pairs):
            of.setdefault(query, []).append(at)
        asked = [
            [places[at] for at in batch]
            for places in of.values()
            for batch in servers.batches(
                [len(pairs[at][1]) for at in places], self.settings.batch_size, self.settings.batch_characters
            )
        ]
        bodies = [
            {
                "query": pairs[batch[0]][0],
                "documents": [pairs[at][1] for at in batch],
                "top_n": len(batch),
                "return_documents": False,
            }
            for batch in asked
        ]
        found = np.zeros(len(pairs), np.float32)
        answers = self.client.ask("/rerank", bodies, lambda number, answer: _scores(answer, len(asked[number])))
        for batch, answer in zip(asked, answers, strict=True):
            found[batch] = answer
        return probabilities(found, self.model)


def _scores(answer: Any, number: int) -> list[float]:
    """Read an answer. Raises ValueError, KeyError or TypeError when it is none."""
    pairs = ((item["index"], float(item["relevance_score"])) for item in answer["results"])
    return servers.in_order(pairs, number)


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[ServerReranker]:
    with servers.opened(settings, "reranker") as client:
        yield ServerReranker(settings, client)
