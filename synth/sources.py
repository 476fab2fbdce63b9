"""Source files to passages: a function is a passage, whatever the programming language.

No grammar is known here, only how people lay code out: what stands at one indentation, after a blank line or after the
end of a body, begins something new. `clean_code` takes out what no reader sees and leaves the layout alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from synth import passages
from synth.passages import clean, estimate_tokens

_NEW_LINES = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_TAB = 4
_DEEPEST = 8
"""Classes within classes; what is nested deeper is cut by lines."""

_QUOTE = re.compile(r'"""|\'\'\'|^[ \t]*/\*', re.MULTILINE)
"""Where a text of several lines begins: its layout is none of the code's."""
_END = re.compile(
    r"[)\]}{]|\*/|#(?:if|ifdef|ifndef|else|elif|endif)\b|(?:public|protected|private)\s*:"
    r"|(?:end|else|elif|elsif|elseif|except|finally|catch|rescue|ensure|done|fi|esac)\b",
    re.IGNORECASE,
)
"""Lines that go on with what is above them, or end it."""
_REMARK = re.compile(r"//|/\*|\*|#(?!include|\[)|--|;|@[\w.]+(?:\([^)]*\)?)?$|#\[.*\]$|\[[A-Z][^]]*\]$")
"""Comments, decorators and attributes: they belong to what is below them."""
_PLAIN = re.compile(r"(?:import|from|use|using|package|require|include)\b")
"""What may go over several lines, too, and is no function."""
_CONTAINER = re.compile(
    r"\s*(?:\w+\s+)*?(?:(?:class|interface|trait|module|namespace|extension|protocol)(?=\s)|impl(?=[\s<])"
    r"|(?:object|struct|enum|union)\b[^(]*$)"
)
"""First lines of what holds functions. `struct point *at(int x)` is a function."""


def clean_code(text: str) -> str:
    """Return `text` in NFC, without invisible characters, with its indentation and at most two blank lines in a row."""
    text = re.sub(r"[^\S\n\t]", " ", _NEW_LINES.sub("\n", text))
    text = re.sub(r"\S+", lambda word: word[0] if word[0].isascii() and word[0].isprintable() else clean(word[0]), text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n")


def split(text: str, max_tokens: int) -> list[str]:
    """Cut a source file into passages of at most `max_tokens` estimated tokens; no line is lost but blank ones.

    A function is a passage of its own, with the comments and decorators above it. A class of several functions gives one
    for each, under the class's first line: without it, nobody knows whose `push` it is; what else stands above the first
    goes with it. Imports and constants that stand together are packed together. A function over the budget is cut between
    its statements, evenly, and each part begins with its first line. A line over the budget is cut as prose is.
    """
    quoted = _quoted(text)
    lines = [_line(line, number in quoted) for number, line in enumerate(text.split("\n"))]
    level = min((line.indent for line in lines if line.kind not in ("blank", "quoted")), default=0)
    return list(_cut(_units(lines, level), max_tokens, ()))


def _quoted(text: str) -> set[int]:
    """Return the numbers of the lines that begin within a text of several lines."""
    last = {mark: text.rfind(mark) for mark in ('"""', "'''", "*/")}
    found = set[int]()
    at = line = 0
    while start := _QUOTE.search(text, at):
        mark = start[0].strip().replace("/*", "*/")
        end = text.find(mark, start.end()) if last[mark] >= start.end() else start.start()
        line += text.count("\n", at, start.end())
        inside = text.count("\n", start.end(), end)
        found.update(range(line + 1, line + inside + 1))
        line, at = line + inside, max(start.end(), end + len(mark))
    return found


class _Line(NamedTuple):
    text: str
    indent: int
    kind: str
    """`code`, `end`, `remark`, `quoted` or `blank`."""


def _line(text: str, is_quoted: bool) -> _Line:
    code = text.strip()
    kinds = {
        "blank": not code,
        "quoted": is_quoted,
        "end": _END.match(code),
        "remark": _REMARK.match(code),
        "code": True,
    }
    indent = text[: len(text) - len(text.lstrip())].expandtabs(_TAB)
    return _Line(text, len(indent), next(kind for kind, found in kinds.items() if found))


@dataclass
class _Unit:
    """Lines that belong together: a function, a class, some imports."""

    level: int
    depth: int
    lines: list[_Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @cached_property
    def header(self) -> str:
        """The line that a body follows; empty when none does: it is a comment, an import, or flat."""
        head = ""
        for line in self.lines:
            if line.kind == "code" and line.indent == self.level:
                head = "" if _PLAIN.match(line.text.strip()) else line.text
            elif line.kind == "code" and line.indent > self.level and head:
                return head
        return ""

    @cached_property
    def members(self) -> "list[_Unit]":
        """Of a unit with a body: what stands one indentation deeper; the first holds the header."""
        level = min(line.indent for line in self.lines if line.kind == "code" and line.indent > self.level)
        return _units(self.lines, level, self.depth + 1)

    @cached_property
    def functions(self) -> int:
        """Number of functions that it is, or holds."""
        if not self.header:
            return 0
        is_container = self.depth < _DEEPEST and _CONTAINER.match(self.header)
        return (is_container and sum(member.functions for member in self.members)) or 1


def _units(lines: Sequence[_Line], level: int, depth: int = 0) -> list[_Unit]:
    """Cut lines into units, each of which begins at indentation `level`; what stands before the first is one, too."""
    units = [_Unit(level, depth)]
    head = above = _line("", False)
    for line in lines:
        if line.indent == level and line.kind in ("code", "remark"):
            ended = above.kind in ("blank", "end") or above.indent != level
            if ended and (above.kind == "blank" or head.kind != "remark"):
                units.append(_Unit(level, depth))
            head = line
        units[-1].lines.append(line)
        above = line
    return [unit for unit in units if unit.text.strip()]


def _cut(units: Sequence[_Unit], budget: int, context: tuple[str, ...]) -> Iterator[str]:
    """Yield the passages of units, each under the lines of `context`."""
    for is_flat, found in groupby(units, key=lambda unit: not unit.functions):
        if is_flat:
            yield from _packed([line.text for unit in found for line in unit.lines], budget, context)
            continue
        for unit in found:
            inner = (*context, unit.header)
            if unit.functions == 1 and _fits(whole := _under(context, unit.text), budget):
                yield whole
            elif unit.functions == 1:
                yield from _packed([member.text for member in unit.members], budget, inner)
            else:
                first = next(place for place, member in enumerate(unit.members) if member.functions)
                opening = _under(context, "\n".join(member.text for member in unit.members[: first + 1]))
                together = unit.members[first].functions == 1 and _fits(opening, budget)
                yield from [opening] if together else []
                yield from _cut(unit.members[first + 1 if together else 0 :], budget, inner)


def _packed(parts: Sequence[str], budget: int, context: tuple[str, ...]) -> Iterator[str]:
    """Join neighbouring parts up to the budget, all passages about as full; a part that is over it is cut by lines."""
    room = budget - _cost("\n".join(context))
    if room < budget / 2:
        context, room = (), budget
    pieces: list[str] = []
    for part in parts:
        for line in [part] if _cost(part) <= room else part.split("\n"):
            pieces += [line] if _cost(line) <= room else passages.split(line, room)
    costs = [_cost(piece) for piece in pieces]
    left = sum(costs)
    found, filled, target = list[str](), 0, 0.0
    for piece, cost in zip(pieces, costs, strict=True):
        if found and (filled + cost > room or filled + cost / 2 > target):
            yield _under(context, "\n".join(found))
            found, filled = [], 0
        if not found:
            target = left / max(1, -(-left // room))
        if found or piece.strip():  # no passage begins with a blank line
            found.append(piece)
            filled += cost
        left -= cost
    if found:
        yield _under(context, "\n".join(found))


def _under(context: tuple[str, ...], text: str) -> str:
    """Put the lines of `context` in front that are not in the text itself."""
    text = text.strip("\n")
    own = set(text.split("\n"))
    return "\n".join([*(line for line in context if line not in own), text])


def _fits(text: str, budget: int) -> bool:
    return estimate_tokens(text) <= budget


def _cost(text: str) -> int:
    return estimate_tokens(f"{text}\n")
