"""A server that speaks /v1/rerank, as Jina, Cohere and vLLM do: one query and many documents a request.

The documents of one query go together. A server may leave out or sort what it returns: each score is put where its
`index` says, and an answer that lacks one is asked for again.

vLLM's `truncate_prompt_tokens` is not used: it cuts the end of the whole prompt, which is where a causal LM's template
asks its question. A score would come all the same, and mean nothing.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synth import servers
from synth.rerankers import Pair, Scores, probabilities
from synth.servers import Client, ServerSettings, Urls


class Settings(ServerSettings):
    """A server that answers /v1/rerank. docs/encoders.md has vLLM's flags for Qwen3-Reranker."""

    limits = ("max_query_tokens", "max_passage_tokens")
    kind: Literal["server"]
    url: Urls = "http://127.0.0.1:8002/v1"
    """Its address, up to and including /v1; or a list of them, all of the same model."""
    api_key_env: str = "SYNTH_RERANKER_API_KEY"
    """Name of the environment variable that holds the key, if the server wants one."""
    instruction: str | None = None
    """What counts as relevant, for vLLM's template, as its `instruction`. Leave it out for other servers."""
    max_query_tokens: int | None = Field(None, ge=1)
    """Have queries cut here, by vLLM's `max_tokens_per_query`."""
    max_passage_tokens: int | None = Field(None, ge=1)
    """Have passages cut here, by vLLM's and Cohere's `max_tokens_per_doc`. Without it, vLLM refuses a pair that is too long
    for the model: leave room for the query and the template."""


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
        own = {
            "instruction": self.settings.instruction,
            "max_tokens_per_query": self.settings.max_query_tokens,
            "max_tokens_per_doc": self.settings.max_passage_tokens,
        }
        own = {name: value for name, value in own.items() if value is not None}
        bodies = [
            {
                "query": pairs[batch[0]][0],
                "documents": [pairs[at][1] for at in batch],
                "top_n": len(batch),
                "return_documents": False,
                **own,
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
