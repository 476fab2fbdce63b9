"""Write the reference pages from the code itself: `make docs`. With --check, say whether they are up to date.

docs/config.md from the settings' models, docs/rows.md from the schemas, docs/cli.md from the commands.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from synth import config, plugins, schemas
from synth.cli import main
from synth.settings import KindSettings

HERE = Path(__file__).parent
HEAD = "<!-- Written by docs/generate.py: change the code and run `make docs`. -->\n\n"


def settings(model: type[BaseModel], title: str, level: int = 2) -> Iterator[str]:
    """Describe a settings model and the models inside it."""
    yield f"{'#' * level} {title}\n"
    yield (model.__doc__ or "").strip() + "\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not KindSettings:
            inner.append((name, kind))
            yield f"| `{name}` | see below | | {one_line(field.description or kind.__doc__)} |"
        else:
            yield f"| `{name}` | `{type_name(kind)}` | {default(field)} | {one_line(field.description)} |"
    yield ""
    for name, kind in inner:
        yield from settings(kind, f"{title}.{name}" if level > 2 or title != "The config" else name, level + 1)


def type_name(kind: Any) -> str:
    text = (
        getattr(kind, "__name__", None) if isinstance(kind, type) and not getattr(kind, "__args__", None) else str(kind)
    )
    for noise in (
        "typing.",
        "pydantic.functional_serializers.",
        "synth.config.",
        "synth.settings.",
        "synth.tasks.retrieval.",
        "synth.engines.",
    ):
        text = (text or "").replace(noise, "")
    return text.replace("|", "\\|")


def default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if field.default is PydanticUndefined else field.default
    if isinstance(value, dict) and any(isinstance(v, BaseModel) for v in value.values()):
        value = {name: inner.model_dump() for name, inner in value.items()}
    return f"`{value}`".replace("|", "\\|")


def one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def config_page() -> str:
    parts = ["# The config\n", "Every key, its type and default. `--set a.b=c` overrides any of them.\n"]
    parts += settings(config.Config, "The config")
    for family, what in (
        ("tasks", "`tasks: {NAME: {…}}`"),
        ("engines", "`engine: {kind: NAME, …}`"),
        ("encoders", "`embedder: {kind: NAME, …}`"),
        ("filters", "`filters: {NAME: {…}}`; `false` switches one off"),
    ):
        parts.append(f"## {family.capitalize()}: {what}\n")
        for name in plugins.names(family):
            module = plugins.load(family, name)
            parts.append(f"### {name}\n\n{(module.__doc__ or '').strip()}\n")
            parts += list(settings(module.Settings, name, 4))[1:]
    return HEAD + "\n".join(parts).rstrip() + "\n"


def rows_page() -> str:
    parts = ["# The rows\n", (schemas.__doc__ or "").strip() + "\n"]
    for name, stage in (
        ("DATASET", "the published dataset"),
        ("PASSAGES", "corpus"),
        ("PERSONAS", "personas"),
        ("PLAN", "plan"),
        ("PAIRS", "generate, filter"),
        ("SCORED", "score, select"),
        ("CLUSTERED", "dedup"),
        ("MINED", "negatives"),
    ):
        schema = getattr(schemas, name)
        parts.append(f"## {stage}\n\n| column | type | null | meaning |\n|---|---|---|---|")
        parts += [
            f"| `{field.name}` | `{field.type}` | {'yes' if field.nullable else ''} | {field.metadata[b'doc'].decode()} |"
            for field in schema
        ]
        parts.append("")
    return HEAD + "\n".join(parts).rstrip() + "\n"


def cli_page() -> str:
    parts = ["# The commands\n"]
    context = click.Context(main, info_name="synth", max_content_width=100, terminal_width=100)
    parts.append(f"```\n{main.get_help(context)}\n```\n")
    parts += commands(main, context)
    return HEAD + "\n".join(parts).rstrip() + "\n"


def commands(group: click.Group, context: click.Context) -> Iterator[str]:
    """Describe the commands of a group, and those of the groups inside it."""
    for name in sorted(group.commands):
        command = group.commands[name]
        inner = click.Context(command, info_name=name, parent=context, max_content_width=100, terminal_width=100)
        yield f"## {inner.command_path}\n\n```\n{command.get_help(inner)}\n```\n"
        if isinstance(command, click.Group):
            yield from commands(command, inner)


PAGES = {"config.md": config_page, "rows.md": rows_page, "cli.md": cli_page}


if __name__ == "__main__":
    stale = []
    for file, page in PAGES.items():
        path, text = HERE / file, page()
        if "--check" in sys.argv:
            stale += [file] if not path.exists() or path.read_text(encoding="utf-8") != text else []
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"docs: out of date: {', '.join(stale)}. Run `make docs`.")
