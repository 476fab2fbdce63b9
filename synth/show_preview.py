"""Previewed rows, for a person at a terminal: what was sent, what came back, what was made of it."""

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from synth import show
from synth.preview import Previewed
from synth.visible import visible


def render(previewed: Previewed, *, full: bool) -> RenderableType:
    parts: list[RenderableType] = []
    for asked in previewed.asked:
        messages = asked.request.messages if full else asked.request.messages[-1:]
        parts.append(Rule(Text(f"{asked.step}  (seed {asked.request.seed})"), align="left", style="dim"))
        for message in messages:
            parts += [Text(f"{message.role}:", style="cyan"), Text(visible(message.content)), Text()]
        left_out = len(asked.request.messages) - len(messages)
        if left_out:
            parts.append(Text(f"({left_out} turns before it: --full shows them)", style="dim"))
        answer = asked.response
        parts.append(Text(f"answer ({answer.output_tokens} tokens, finish: {answer.finish}):", style="cyan"))
        parts += [Text(visible(answer.text), style="bold"), Text()]
    return Group(*parts, show.render(previewed.row), Text())


def as_json(previewed: Previewed) -> dict[str, Any]:
    return {
        "row": previewed.row,
        "asked": [
            {
                "step": asked.step,
                "seed": asked.request.seed,
                "messages": [asdict(message) for message in asked.request.messages],
                "schema": asked.request.schema,
                "answer": asdict(asked.response),
            }
            for asked in previewed.asked
        ],
    }
