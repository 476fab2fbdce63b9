"""Qwen3-Reranker's own way, in this process: a causal LM is asked whether the passage meets the query, yes or no.

The score is the softmax over the logits of `yes` and `no` as the next token, as the model's card computes it. Instruction,
query and passage are cut to `max_tokens` together; what stands before and after them never is. They are tokenised as plain
text: a passage that spells `<|im_end|>` ends no turn.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synth import weights
from synth.errors import ModelError
from synth.rerankers import Pair, Scores, probabilities
from synth.settings import CachedSettings

BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
"""Of the model's card: another wording would ask a question that it was not trained on."""


class Settings(CachedSettings):
    """A causal LM trained as Qwen3-Reranker is. `model` is a Hub name, a folder, or `package:NAME/PATH`."""

    kind: Literal["yes_no"]
    model: str = "Qwen/Qwen3-Reranker-0.6B"
    revision: str | None = None
    instruction: str = "Given a web search query, retrieve relevant passages that answer the query"
    """What counts as relevant, in English; the default is the model card's."""
    device: str | None = None
    """`cpu`, `cuda`, `cuda:1`…; without one, cuda if it is there."""
    batch_size: int = Field(8, ge=1)
    max_tokens: int = Field(8192, ge=128)
    """Cut each prompt to so many tokens."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"

    @property
    def gpus(self) -> int:
        return int(self.device != "cpu")


@dataclass(frozen=True)
class YesNoReranker:
    settings: Settings
    loaded: Any
    tokenizer: Any
    yes: int
    no: int
    """Token ids."""

    @property
    def model(self) -> str:
        return self.settings.model

    def scores(self, pairs: Sequence[Pair]) -> Scores:
        found = np.zeros(len(pairs), np.float32)
        prompts = [self.tokens(*pair) for pair in pairs]
        order = sorted(
            range(len(prompts)), key=lambda at: -len(prompts[at])
        )  # longest first: out of memory shows at once
        try:
            for at in range(0, len(order), self.settings.batch_size):
                batch = order[at : at + self.settings.batch_size]
                found[batch] = self._judge([prompts[place] for place in batch])
        except RuntimeError as error:  # out of memory, or a device that has gone
            raise ModelError(
                f"reranker {self.model!r} died: {error}",
                fix="lower reranker.batch_size or reranker.max_tokens, then run again: finished shards are kept",
            ) from error
        return probabilities(found, self.model)

    def tokens(self, query: str, passage: str) -> list[int]:
        """Return the prompt of a pair, as token ids."""
        before, after = (self._ids(text, special=True) for text in (BEFORE, AFTER))
        text = f"<Instruct>: {self.settings.instruction}\n<Query>: {query}\n<Document>: {passage}"
        room = max(0, self.settings.max_tokens - len(before) - len(after))
        return before + self._ids(text, special=False)[:room] + after

    def _ids(self, text: str, *, special: bool) -> list[int]:
        """Tokenise; special tokens that a text spells are such only in a text of ours."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=not special)["input_ids"])

    def _judge(self, prompts: list[list[int]]) -> Scores:
        """Return float32 [n] for prompts of token ids, padded on the left, so that the last place is each one's end."""
        import torch

        longest = max(map(len, prompts))
        ids = torch.tensor([[self.yes] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        place = (mask.cumsum(1) - 1).clamp(min=0)
        device = self.loaded.device
        with torch.inference_mode():
            logits = self.loaded(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                position_ids=place.to(device),
                logits_to_keep=1,
                use_cache=False,
            ).logits[:, -1, [self.no, self.yes]]
        scores: Scores = torch.softmax(logits.float(), dim=1)[:, 1].cpu().numpy()
        return scores


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[YesNoReranker]:
    """Load the model, and let go of the device's memory afterwards, for the stages that follow."""
    reranker = _load(settings)
    try:
        yield reranker
    finally:
        object.__setattr__(reranker, "loaded", None)
        weights.release()


def _load(settings: Settings) -> YesNoReranker:
    with weights.loading("reranker", settings.model, "lexical") as name:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name, revision=settings.revision)
        model = AutoModelForCausalLM.from_pretrained(name, revision=settings.revision, dtype=settings.dtype)
        model = model.to(settings.device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    ids = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("yes", "no")]
    if [len(found) for found in ids] != [1, 1]:
        raise ModelError(
            f"reranker {settings.model!r}: `yes` and `no` are not one token each",
            fix="name a model of the family of Qwen/Qwen3-Reranker-0.6B",
        )
    return YesNoReranker(settings, model, tokenizer, ids[0][0], ids[1][0])
