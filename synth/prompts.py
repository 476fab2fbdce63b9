"""Prompt templates: Jinja in a sandbox, strict about variables, rendered to chat messages.

A template speaks in turns, so that no text can pass for a turn of its own:

    {% call system() %}…{% endcall %}
    {% call user() %}Passage: {{ passage }}{% endcall %}
    {% call assistant() %}{"query": "…"}{% endcall %}

Turns come about by calls, never by splitting text, and whatever stands between `{{` and `}}` is a value: it is not
read as a template again. Control tokens of chat formats are defused in a turn as a whole, so that two values that stand
side by side cannot make one up.

A template is a stranger's program, too: it may not reach outside of its folders or into Python, and what it may write
is bounded. What can be seen before anything runs is refused by `check`; what a template says of itself is in `headers`.
"""

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    DictLoader,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synth import headers
from synth.errors import ConfigError
from synth.plugins import did_you_mean

ROLES = ("system", "user", "assistant")
_PACKAGED = Path(__file__).parent / "_prompts"
"""Where a built wheel carries the templates (see pyproject.toml); in a checkout they are `prompts/` beside `synth/`."""


LONGEST = 1_000_000
"""Characters of a template's source, of what it writes, and of any text it makes on the way."""

_IN_ANGLES = (
    r"s|bos|eos|pad|unk|mask|cls|sep|sop|eop|eod|eot|(?:bos|eos|pad|unk)_token|(?:start|end)_of_(?:turn|image)|"
    r"im_(?:start|end)|think|thinking|tools?|tool_(?:calls?|responses?|results?)|"
    r"function(?:_call|_response)?|arg_(?:key|value)|(?:system|user|assistant)|endoftext|unused\d+|reserved_\d+|"
    r"special_\d+|extra_id_\d+|seed:\w+|fim_\w+|repo_?name|file_sep|filename|gh_stars|issue_\w+|jupyter_\w+|"
    r"commit_\w+|empty_output|image"
)
_IN_BRACKETS = (
    r"INST|SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID|THINK|IMG|IMG_BREAK|IMG_END|"
    r"AUDIO|BEGIN_AUDIO|PREFIX|MIDDLE|SUFFIX|gMASK|sMASK|CLS|SEP|MASK|PAD|UNK"
)
_CONTROL = re.compile(
    rf"<(?=[|｜]|/?(?:{_IN_ANGLES})>|</?SYS>>|\[(?:begin|end)▁of▁)|\[(?=\||/?(?:{_IN_BRACKETS})\])", re.IGNORECASE
)
"""Where a control token begins in the formats of Qwen, Llama 2 to 4, Mistral, Gemma, DeepSeek, GLM, Phi, SmolLM, EXAONE,
Seed, Cohere, Nemotron, BERT and StarCoder. `x<|y` is damaged with them; `a < b`, `[1]` and `<div>` are not."""

_WIDE = re.compile(r"\d{5}|%[^a-zA-Z%]*\*|\{[^}]*\{")
"""In a format: a width of five digits, or one that is taken from a value."""


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


def defuse(text: str) -> str:
    """Break the control tokens of chat formats (`<|im_end|>`, `[INST]`, `<s>`) by a space, and leave the rest alone.

    With white space inside, no tokeniser takes them for control tokens.
    """
    return _CONTROL.sub(lambda found: found[0] + " ", text)


def _bounded(parts: Iterable[str]) -> str:
    """Join what a template or macro wrote, and stop at LONGEST."""
    kept: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > LONGEST:
            raise SecurityError(f"it writes more than {LONGEST:,} characters")
        kept.append(part)
    return "".join(kept)


def _modest(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a filter the arguments of a bomb: `{{ x | center(10000000000) }}`."""

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        _check_arguments((*args[1:], *named.values()))  # the first is what is filtered
        if function is FILTERS["format"]:
            _check_width(str(args[0]))
        return function(*args, **named)

    return call


def _check_arguments(values: Iterable[Any]) -> None:
    if any(isinstance(value, int) and abs(value) > LONGEST for value in values):
        raise SecurityError(f"a number over {LONGEST:,} as an argument")


def _check_width(text: str) -> None:
    if _WIDE.search(text):
        raise SecurityError("a width over 9,999, or one that is computed, in a format")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox stops a template from reaching into Python; this one also from using up memory."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))
    concat = staticmethod(_bounded)

    def __init__(self, loader: BaseLoader) -> None:
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=False,
            auto_reload=False,  # a run's templates stay as they were; looking would be a stat per prompt
            trim_blocks=True,
            lstrip_blocks=True,
        )
        del self.globals["lipsum"], self.filters["random"]  # the same row must ask the same question
        self.filters = {name: _modest(function) for name, function in self.filters.items()}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(value) if isinstance(value, Sized) else None for value in (left, right)]
        if operator == "*" and sizes != [None, None]:
            size = (left if sizes[0] is None else sizes[0]) * (right if sizes[1] is None else sizes[1])
        elif operator == "**":
            size = right * abs(left).bit_length() if isinstance(left, int) and isinstance(right, int) else 0
        elif operator == "%" and isinstance(left, str):
            _check_width(left)
            size = 0
        else:
            size = sum(known or 0 for known in sizes)
        if size > LONGEST:
            raise SecurityError(f"{operator!r} makes a value of more than {LONGEST:,} characters")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, callee: Any, /, *args: Any, **named: Any) -> Any:
        _check_arguments((*args, *named.values()))
        return super().call(context, callee, *args, **named)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _check_width(value.__self__)
        return wrapped


@dataclass(frozen=True)
class Prompts:
    """The templates of a run: the user's folder first, then synth's own."""

    folders: tuple[Path, ...]
    texts: Mapping[str, str] | None = None
    """Sources by file name (`retrieval/query.j2`), once they are away from their folders."""

    def __post_init__(self) -> None:
        loader = FileSystemLoader(self.folders) if self.texts is None else DictLoader(self.texts)
        object.__setattr__(self, "_environment", _Sandbox(loader))

    _environment: _Sandbox = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another machine with all sources: the folders there may be others, or none."""
        texts = {}
        for part in self._environment.list_templates(extensions=["j2"]):
            with contextlib.suppress(Exception):  # one that cannot be read is in no task, or `check` had told
                texts[part] = self._environment.loader.get_source(self._environment, part)[0]  # type: ignore[union-attr]
        return Prompts, (self.folders, texts)

    def render(self, name: str, variables: Mapping[str, Any]) -> tuple[Message, ...]:
        """Render template `name` (`retrieval/query`) to messages. Raises ConfigError when the template is at fault."""
        messages: list[Message] = []

        def speaker(role: str) -> Any:
            def speak(caller: Any) -> str:
                messages.append(Message(role, defuse(caller().strip())))
                return ""

            return speak

        try:
            rest = self._environment.get_template(f"{name}.j2").render(
                variables, **{role: speaker(role) for role in ROLES}
            )
        except Exception as error:  # a template is a program: besides Jinja's errors, it raises any of Python's
            raise ConfigError(f"template {name}.j2: {_said(error)}", fix="mend the template") from error
        if rest.strip():
            raise ConfigError(
                f"template {name}.j2: text outside of any turn: {rest.strip()[:60]!r}",
                fix="put it between {% call user() %} and {% endcall %}",
            )
        return tuple(messages)

    def check(self, name: str, variables: Iterable[str], answer: Iterable[str]) -> None:
        """Raise ConfigError unless template `name` exists, compiles, stays in bounds, uses no variable but these, names each
        field of the answer somewhere, and says all that in its header."""
        variables, answer, file = frozenset(variables), frozenset(answer), f"{name}.j2"
        known = {*variables, *ROLES}
        texts: list[str] = []
        sources = self.sources(file)
        for part, source in sources.items():
            try:
                self._environment.compile(source, part)
                parsed = self._environment.parse(source)
                used = meta.find_undeclared_variables(parsed)
                texts += _texts(parsed)
            except Exception as error:  # TemplateSyntaxError, and what Python's own compiler raises on deep nesting
                raise _broken(part, error) from error
            for unknown in sorted(used - known):
                raise ConfigError(
                    f"template {part}: unknown variable {unknown!r}{did_you_mean(unknown, known)}",
                    fix=f"this step has: {', '.join(sorted(variables))}",
                )
            for line, attribute in _private(parsed):
                raise ConfigError(
                    f"template {part}, line {line}: access to attribute {attribute!r} is unsafe",
                    fix="a template may use the values it is given, and nothing behind them",
                )
        for part, source in sources.items():
            asked = (variables, answer) if part == file else ()
            headers.check(part, headers.of(self._environment, source), *asked)
        for field in sorted(answer):
            if not any(re.search(rf"(?<!\w){re.escape(field)}(?!\w)", text) for text in texts):
                raise ConfigError(
                    f"template {file}: neither it nor what it includes names the answer field {field!r}",
                    fix=f'tell the model what to answer, e.g. {{"{field}": "…"}}',
                )

    def hash(self, names: Iterable[str]) -> str:
        """Hash the sources of templates `names`, and of all they include, to 12 hex digits."""
        return self.digest(f"{name}.j2" for name in sorted(names))

    def digest(self, files: Iterable[str]) -> str:
        """The same for files (`retrieval/_terms.j2`), in their order."""
        digest = hashlib.blake2b(digest_size=6)
        for file in files:
            for part, source in sorted(self.sources(file).items()):
                digest.update(f"{part}\0{source}\0".encode())
        return digest.hexdigest()

    def folder_of(self, part: str) -> Path:
        """Return the folder that a template comes from: the first that has it."""
        return next(folder for folder in self.folders if (folder / part).is_file())

    def sources(self, file: str) -> dict[str, str]:
        """Return the source of a template and of every template it includes, by file name; its own comes first."""
        found: dict[str, str] = {}

        def visit(part: str, above: tuple[str, ...]) -> None:
            if part in above:
                loop = " → ".join((*above[above.index(part) :], part))
                raise ConfigError(f"template {part}: includes itself: {loop}", fix="break the loop")
            if part in found:
                return
            found[part], included = self._source(part)
            for inner in included:
                visit(inner, (*above, part))

        visit(file, ())
        return found

    def _source(self, part: str) -> tuple[str, list[str]]:
        """Return the source of one template, and the names of those it includes, imports or extends."""
        try:
            source: str = self._environment.loader.get_source(self._environment, part)[0]  # type: ignore[union-attr]
            if len(source) > LONGEST or "\0" in source:
                raise ValueError(f"more than {LONGEST:,} characters" if len(source) > LONGEST else "it holds a NUL")
            included = list(meta.find_referenced_templates(self._environment.parse(source)))
        except TemplateNotFound as error:
            folders = ", ".join(map(str, self.folders))
            raise ConfigError(f"template {part}: not found in {folders}", fix="see prompts/retrieval/") from error
        except Exception as error:
            raise _broken(part, error) from error
        if None in included:
            raise ConfigError(
                f"template {part}: includes a template by a variable name",
                fix="name it in quotes: what it says must be known when the run is planned",
            )
        return source, [name for name in included if name]


def _broken(part: str, error: Exception) -> ConfigError:
    at = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
    return ConfigError(f"template {part}{at}: {_said(error)}", fix="mend the template")


def _said(error: Exception) -> str:
    match error:
        case TemplateSyntaxError():
            return str(error.message)
        case UnicodeDecodeError():
            return f"not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"
        case RecursionError():
            return "it calls itself, or is nested, without end"
        case OSError():
            return f"cannot be read: {error.strerror}"
    return str(error) or type(error).__name__


def _private(parsed: nodes.Template) -> Iterable[tuple[int, str]]:
    """Yield line and name of each attribute that begins with an underscore: the ways out of a sandbox."""
    for node in parsed.find_all((nodes.Getattr, nodes.Getitem)):
        name = node.attr if isinstance(node, nodes.Getattr) else getattr(getattr(node, "arg", None), "value", None)
        if isinstance(name, str) and name.startswith("_"):
            yield node.lineno, name


def _texts(parsed: nodes.Template) -> Iterable[str]:
    """Yield the texts that a template may write: what stands in it, and its strings but for names of templates and keys."""
    named: list[nodes.Node] = [node.arg for node in parsed.find_all(nodes.Getitem)]
    for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends):
        named += [node.template for node in parsed.find_all(kind)]  # type: ignore[attr-defined]
    unseen = {id(node) for name in named for node in (name, *name.find_all(nodes.Const))}
    yield from (node.data for node in parsed.find_all(nodes.TemplateData))
    for node in parsed.find_all(nodes.Const):
        if isinstance(node.value, str) and id(node) not in unseen:
            yield node.value


def load(folder: str | None) -> Prompts:
    """Open synth's own templates, with those of `folder` in front."""
    own = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[1] / "prompts"
    if folder is not None and not os.path.isdir(folder):  # Path's own raises on a name that is too long
        raise ConfigError(
            f"prompts: {folder!r} is not a folder", fix="give a folder that holds e.g. retrieval/query.j2"
        )
    if folder is not None and not any(Path(folder).glob("*/*.j2")):
        raise ConfigError(
            f"prompts: {folder!r} holds no template", fix="give a folder that holds e.g. retrieval/query.j2"
        )
    return Prompts(((Path(folder),) if folder else ()) + (own,))
