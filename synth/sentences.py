"""Sentences of a passage: where they stand, and which are whole ones, for tasks that take a text out of a passage."""

import re
from collections.abc import Sequence

from synth.passages import sentences
from synth.text import count_words

MIN_WORDS = 4
"""A sentence of fewer words is a heading or a rest, if there is a better one."""

_ENDED = re.compile(r"""[.!?…。！？．｡؟۔।॥։።፧።။།](?:["'”“’»«›)\]」』）】*_]|\[\d+\])*\Z""")
_MARKED = re.compile(r"(?m)^\s*(?:#{1,6}\s|[|>]|[-*•]\s)")
"""Lines of Markdown that are no running text: headings, tables, quotations, lists."""


def spans(text: str, language: str) -> list[tuple[int, int]]:
    """Return where each sentence of a text begins and ends."""
    found: list[tuple[int, int]] = []
    for sentence in sentences(text, language):
        start = text.index(sentence, found[-1][1] if found else 0)
        found.append((start, start + len(sentence)))
    return found


def whole(found: Sequence[str]) -> list[int]:
    """Return which sentences are whole ones; where none is, those that have enough words; else all."""
    long = [at for at, sentence in enumerate(found) if count_words(sentence) >= MIN_WORDS]
    ended = [at for at in long if _ENDED.search(found[at]) and not _MARKED.search(found[at])]
    return ended or long or list(range(len(found)))
