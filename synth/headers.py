"""What a template says of itself in its first comment: which step it is, what it is given, what its answer holds.

    {#-
    task: retrieval; step: query (second)
    variables: passage, title, personas (letter → persona), types, difficulties (name → definition)
    answer: query
    -#}

People read it and write templates by it, so it is held to what the code does: the task and step are those of the
template's name, the variables and answer fields those of the step. What stands in parentheses is a note, as is what
follows the step. A list may go on over several lines, and ends at a blank one. A part, whose name begins with `_`, is no
step of its own: `task: retrieval; step: none`.
"""

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from jinja2 import Environment

from synth.errors import ConfigError
from synth.plugins import did_you_mean

NO_STEP = "none"
ANY_TASK = "any"
"""Task of a template that is in no task's folder."""
_OPENING = re.compile(r"\s*task:([^;\n]*);\s*step:\s*([^\s(,;]+)")
_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Header:
    task: str
    step: str
    variables: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The comment, ready to be put at the head of a template."""
        lines = [f"task: {self.task}; step: {self.step}"]
        for key, names in (("variables", self.variables), ("answer", self.answer)):
            if names:
                lines += textwrap.wrap(f"{key}: {', '.join(names)}", _WIDTH, break_on_hyphens=False)
        return "\n".join(("{#-", *lines, "-#}"))


def of(environment: Environment, source: str) -> Header | None:
    """Return the header of a template that compiles, or nothing when its first comment is none.

    Jinja's parser drops comments. Its lexer has them, and takes none for one that stands in a string or in `raw`.
    """
    comment = next((text for _, kind, text in environment.lex(source) if kind == "comment"), "")
    opening = _OPENING.match(comment)
    if not opening:
        return None
    lists: dict[str, list[str]] = {"variables": [], "answer": []}
    under = ""
    for line in comment.split("\n"):
        key, colon, rest = line.strip().partition(":")
        if colon and key in lists:
            under, line = key, rest
        elif not line.strip():
            under = ""
        if under:
            lists[under].append(line)
    variables, answer = (_names("\n".join(lines)) for lines in lists.values())
    return Header(opening[1].strip(), opening[2], variables, answer)


def _names(text: str) -> tuple[str, ...]:
    """Split at commas, without the notes in parentheses, which may hold commas and parentheses."""
    depth, kept = 0, []
    for character in text:
        depth += character == "("
        if not depth:
            kept.append(character)
        depth -= character == ")" and depth > 0
    return tuple(name for part in "".join(kept).split(",") if (name := " ".join(part.split())))


def name_of(part: str) -> tuple[str, str]:
    """Return task and step of a template by its file's name."""
    task, _, step = part.removesuffix(".j2").rpartition("/")
    return task or ANY_TASK, NO_STEP if step.startswith("_") else step


def check(
    part: str, header: Header | None, variables: Iterable[str] | None = None, answer: Iterable[str] | None = None
) -> None:
    """Raise ConfigError unless the header is right; of what a template includes, only task and step are known here."""
    right = Header(*name_of(part), tuple(sorted(variables or ())), tuple(sorted(answer or ())))
    if header is None:
        raise ConfigError(
            f"template {part}: its first comment is not a header", fix=f"put this at its beginning:\n{right}"
        )
    wrong = []
    if (header.task, header.step) != (right.task, right.step):
        said, named = (f"task: {one.task}; step: {one.step}" for one in (header, right))
        wrong.append(f"`{said}`, but by its name it is `{named}`")
    if variables is not None:
        wrong += _differences("variable", header.variables, right.variables)
    if answer is not None:
        wrong += _differences("answer field", header.answer, right.answer)
    if wrong:
        raise ConfigError(f"template {part}: its header has {'; '.join(wrong)}", fix=f"the right header:\n{right}")


def _differences(what: str, said: Iterable[str], right: Iterable[str]) -> Iterable[str]:
    said, right = set(said), set(right)
    yield from (f"an unknown {what} {name!r}{did_you_mean(name, right)}" for name in sorted(said - right))
    yield from (f"no {what} {name!r}" for name in sorted(right - said))
