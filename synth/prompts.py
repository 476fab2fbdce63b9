"""Prompt templates: Jinja in a sandbox, strict about variables, rendered to chat messages.

A template speaks in turns, so that no text can pass for a turn of its own:

    {% call system() %}…{% endcall %}
    {% call user() %}Passage: {{ passage }}{% endcall %}
    {% call assistant() %}{"query": "…"}{% endcall %}

Turns come about by calls, never by splitting text, and whatever stands between `{{` and `}}` is a value: it is not
read as a template again, and control tokens of chat formats in it are defused.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError, meta
from jinja2.sandbox import SandboxedEnvironment

from synth.errors import ConfigError
from synth.plugins import did_you_mean

ROLES = ("system", "user", "assistant")
_PACKAGED = Path(__file__).parent / "_prompts"
"""Where a built wheel carries the templates (see pyproject.toml); in a checkout they are `prompts/` beside `synth/`."""


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


def defuse(value: Any) -> Any:
    """Break the control tokens of chat formats (`<|im_end|>`, `[INST]`, `<s>`) by a space, and leave the rest alone."""
    if isinstance(value, str):
        return re.sub(r"<(?=\||/?s>|/?think>)|\[(?=/?INST\])", lambda found: found[0] + " ", value)
    return value


@dataclass(frozen=True)
class Prompts:
    """The templates of a run: the user's folder first, then synth's own."""

    folders: tuple[Path, ...]

    def __post_init__(self) -> None:
        environment = SandboxedEnvironment(
            loader=FileSystemLoader(self.folders),
            undefined=StrictUndefined,
            finalize=defuse,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        object.__setattr__(self, "_environment", environment)

    _environment: SandboxedEnvironment = None  # type: ignore[assignment]

    def render(self, name: str, variables: Mapping[str, Any]) -> tuple[Message, ...]:
        """Render template `name` (`retrieval/query`) to messages. Raises ConfigError when the template is at fault."""
        messages: list[Message] = []

        def speaker(role: str) -> Any:
            def speak(caller: Any) -> str:
                messages.append(Message(role, caller().strip()))
                return ""

            return speak

        try:
            rest = self._environment.get_template(f"{name}.j2").render(
                variables, **{role: speaker(role) for role in ROLES}
            )
        except TemplateError as error:
            raise ConfigError(f"template {name}.j2: {error}", fix="mend the template") from error
        if rest.strip():
            raise ConfigError(
                f"template {name}.j2: text outside of any turn: {rest.strip()[:60]!r}",
                fix="put it between {% call user() %} and {% endcall %}",
            )
        return tuple(messages)

    def check(self, name: str, variables: Iterable[str]) -> None:
        """Raise ConfigError unless template `name` exists, compiles, and uses no variable but these."""
        known = {*variables, *ROLES}
        for part, source in self._sources(f"{name}.j2").items():
            used = meta.find_undeclared_variables(self._environment.parse(source))
            for unknown in sorted(used - known):
                raise ConfigError(
                    f"template {part}: unknown variable {unknown!r}{did_you_mean(unknown, known)}",
                    fix=f"this step has: {', '.join(sorted(known - set(ROLES)))}",
                )

    def hash(self, names: Iterable[str]) -> str:
        """Hash the sources of templates `names`, and of all they include, to 12 hex digits."""
        digest = hashlib.blake2b(digest_size=6)
        for name in sorted(names):
            for part, source in sorted(self._sources(f"{name}.j2").items()):
                digest.update(f"{part}\0{source}\0".encode())
        return digest.hexdigest()

    def _sources(self, file: str) -> dict[str, str]:
        """Return the source of a template and of every template it includes, by file name."""
        found: dict[str, str] = {}
        todo = [file]
        while todo:
            part = todo.pop()
            if part in found:
                continue
            try:
                found[part] = self._environment.loader.get_source(self._environment, part)[0]  # type: ignore[union-attr]
                parsed = self._environment.parse(found[part])
            except TemplateNotFound as error:
                folders = ", ".join(map(str, self.folders))
                raise ConfigError(f"template {part}: not found in {folders}", fix="see prompts/retrieval/") from error
            except TemplateSyntaxError as error:
                raise ConfigError(
                    f"template {part}, line {error.lineno}: {error.message}", fix="mend the template"
                ) from error
            todo += [included for included in meta.find_referenced_templates(parsed) if included]
        return found


def load(folder: str | None) -> Prompts:
    """Open synth's own templates, with those of `folder` in front."""
    own = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[1] / "prompts"
    if folder is not None and not Path(folder).is_dir():
        raise ConfigError(
            f"prompts: {folder!r} is not a folder", fix="give a folder that holds e.g. retrieval/query.j2"
        )
    return Prompts(((Path(folder),) if folder else ()) + (own,))
