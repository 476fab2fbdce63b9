"""Texts of others, made fit to be shown: what a model or a document wrote is data, also on a terminal.

An escape sequence in a row could move the cursor, retitle the window or hide other rows; a bidirectional override
could show a text in another order than it has. Both are written out here, as Python would write them: `\\x1b[31m`.
"""

import json
import re
from typing import Any

# C0 and C1 controls but tab and newline; line separators; bidirectional embeddings, overrides and isolates; zero-width
# space, byte order mark, annotation marks and the invisible "tag" letters. Joiners and direction marks stay: Persian,
# Hindi and Arabic need them.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Write out all control characters but tab and newline."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def json_line(value: Any) -> str:
    """Write JSON on one line that reads the same to a program, and on a terminal moves no cursor: what is hidden is
    written as `\\uXXXX`."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return _HIDDEN.sub(lambda found: re.sub("....", r"\\u\g<0>", found[0].encode("utf-16-be").hex()), text)


def one_line(text: str, limit: int) -> str:
    """Put `text` on one line of at most `limit` characters, cut at a word where one is near, with control
    characters written out."""
    text = visible(" ".join(text.split()))
    if len(text) <= limit:
        return text
    head, _, tail = text[:limit].rpartition(" ")
    return (head if head and len(tail) < 20 else text[: limit - 1]) + "…"
