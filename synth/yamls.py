"""YAML as plain data: what a config file may hold, and what in it is refused before any model looks at it.

Smaller than YAML on purpose: one document of mappings, lists, strings, numbers, booleans and null, that could as well
be JSON. What YAML allows beyond that crashes or surprises later: an alias that holds itself, ten that expand to
billions, a key written twice of which the last one wins, `no` that is read as false, a date where a string was meant.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from synth.errors import ConfigError

LARGEST = 1 << 18
"""Bytes of a config, and characters that it may come to when its aliases are written out: ten times a long one."""
DEEPEST = 32
"""Levels of nesting; a config has about six."""
_WIDEST = 1 << 63
"""Whole numbers beyond fit no column, and no other program's integer."""

_TAG = "tag:yaml.org,2002:"
_KNOWN = {_TAG + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "merge")}
_SECRET = re.compile(
    r"(?:.*_)?(?:token|api_?key|access_?key|secret_?key|private_?key|secret|passwords?|passwd|passphrase|authori[sz]ation"
    r"|bearer|credentials?|cookie)|key|auth"
)
_LOOKS_SECRET = re.compile(
    r"\b(?:sk-[\w-]{16,}|hf_\w{16,}|gh[opusr]_\w{16,}|github_pat_\w{16,}|xox[a-z]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
    r"|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.)|\bbearer\s+\S{8,}",
    re.IGNORECASE,
)
_SECRET_IN_URL = re.compile(
    r"://[^/?#\s]*@|[?&;#](?:[\w-]*[_-])?(?:api_?key|key|token|auth|password|passwd|secret|signature|sig)=[^&\s]",
    re.IGNORECASE,
)


class _Refused(yaml.MarkedYAMLError):
    pass


def _at(node: yaml.Node, problem: str) -> _Refused:
    return _Refused(problem=problem, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    """Counts as it goes, so that what is refused costs neither time nor memory."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._size = 0
        self._sizes: dict[int, int] = {}
        """Characters each finished node comes to, with its aliases written out; by the node's `id`."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        is_alias = self.check_event(yaml.AliasEvent)
        if self._depth >= DEEPEST:
            raise _Refused(problem=f"nested deeper than {DEEPEST} levels", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        before, mark = self._size, self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if is_alias:
            if id(node) not in self._sizes:
                raise _Refused(problem="an alias stands inside of what it stands for", problem_mark=mark)
            self._size += self._sizes[id(node)]
        elif node.tag not in _KNOWN:
            raise _at(node, f"the tag or value {node.tag.removeprefix(_TAG)!r} is not for configs; quote a string")
        else:
            self._size += 1 + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
            self._sizes[id(node)] = self._size - before
        if self._size > LARGEST:
            raise _Refused(problem=f"its aliases expand to more than {LARGEST:,} characters", problem_mark=mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag not in (_TAG + "str", _TAG + "merge") or not isinstance(key, yaml.ScalarNode):
                shown = repr(key.value)[:40] if isinstance(key, yaml.ScalarNode) else "list or mapping"
                raise _at(key, f"the key {shown} is read as {key.tag.removeprefix(_TAG)}, not as a string: quote it")
            if key.value in lines:
                raise _at(key, f"the key {key.value[:80]!r} stands in line {lines[key.value]} already")
            lines[key.value] = key.start_mark.line + 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError) as error:  # 5,000 digits, 0x_
            raise _at(node, "not a number that can be read") from error


# Dates stay strings: `revision: 2024-01-01` is a name. And 1e-3 is a number, as in YAML 1.2 and everywhere else.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _TAG + "timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _TAG + "float", re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+"), list("-+.0123456789")
)


def loads(source: bytes | str, where: str) -> Any:
    """Read one YAML document to a tree of plain values that share nothing. Raises ConfigError, naming `where`."""
    if len(source) > LARGEST:
        raise ConfigError(f"{where}: larger than {LARGEST:,} bytes", fix="a config holds settings; name data by path")
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{where}: not valid YAML: not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}",
            fix="save it as UTF-8",
        ) from error
    try:
        loader = _Loader(text)
        try:
            return _unshared(loader.get_single_data())
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise ConfigError(
            f"{where}: not valid YAML: line {line}: the character U+{ord(text[int(error.position)]):04X} is not allowed",
            fix="take it out, or write it as an escape in double quotes",
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        said = ": ".join(part for part in (error.context if not mark else "", error.problem) if part)
        raise ConfigError(f"{where}: not valid YAML: {at}{said}", fix=_fix(said)) from error


def _fix(said: str) -> str:
    if "'\\t'" in said:
        return "indent with spaces; YAML takes no tabs"
    if "another document" in (said or ""):
        return "keep one document; `---` starts another"
    return "mend the line that is named"


def _unshared(value: Any) -> Any:
    """Copy, so that what an override changes in one place does not change where an alias put it too."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value


def override(raw: dict[str, Any], said: str) -> None:
    """Apply one `a.b=c` of the command line; `c` is YAML too, and is not repeated in errors: it may be a key."""
    key, equals, value = said.partition("=")
    *parents, leaf = key.split(".")
    if not equals or not all((*parents, leaf)):
        raise ConfigError(f"--set {key!r}: expected KEY=VALUE", fix="--set corpus.limit=10")
    target = raw
    for parent in parents:
        inner = target.setdefault(parent, {})
        if not isinstance(inner, dict):
            inner = target[parent] = {}
        target = inner
    target[leaf] = loads(value, f"--set {key}")


def check(raw: Any) -> None:
    """Raise ConfigError for what no setting may hold: numbers that are none, broken strings, and secrets.

    Keys come from the environment: a config is shared, and goes into run.yaml and the dataset's card.
    """
    for path, value in _walk(raw, ()):
        where, problem = ".".join(path)[-200:], ""
        if isinstance(value, float) and not math.isfinite(value):
            problem = f"{value} is not a finite number"
        elif isinstance(value, int) and abs(value) >= _WIDEST:
            problem = "a whole number of more than 63 bits"
        elif any(re.search("[\0\ud800-\udfff]", text) for text in (value, *path[-1:]) if isinstance(text, str)):
            where, problem = where.encode("unicode_escape").decode(), "holds a NUL or half a character"
        if problem:
            raise ConfigError(f"{where}: {problem}", fix="mend the value")
        if _is_secret(path, value):
            raise ConfigError(
                f"{where}: looks like a secret, which has no place in a config",
                fix="take it out and put it into an environment variable; `api_key_env: NAME` says which "
                "(HF_TOKEN for the Hub)",
            )


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if len(path) > DEEPEST:
        raise ConfigError(f"{'.'.join(path)[:80]}…: nested deeper than {DEEPEST} levels", fix="mend the key")
    yield path, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _walk(inner, (*path, str(number)))


def _is_secret(path: tuple[str, ...], value: Any) -> bool:
    if isinstance(value, str) and (_LOOKS_SECRET.search(value) or _SECRET_IN_URL.search(value)):
        return True
    names = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-. ]", "_", part).lower() for part in path if not part.isdecimal()]
    if not names or value in (None, "") or isinstance(value, bool | Mapping | list | tuple):
        return False
    if names[-1].endswith("_env"):  # the key where its variable's name should be
        return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(value)) is None
    # `pad_token: <pad>` is a token of another kind.
    return bool(_SECRET.fullmatch(names[-1])) and not re.match(r"[<\[]", str(value))
