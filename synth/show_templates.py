"""Templates, for a person at a terminal."""

from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from synth.templates import Listing, Rendered, Source
from synth.visible import visible

MADE_UP = "The personas are the first of the library, and the answers are made up: no engine or embedder was asked."


def table(listing: Listing) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("name", "step", "from, hash", "variables, answer"):
        table.add_column(name, overflow="fold")
    for template in listing.templates:
        cells = (
            template.name,
            template.step,
            f"{'synth' if template.own else template.folder}\n{template.hash}",
            "\n→ ".join(", ".join(names) for names in (template.variables, template.answer) if names),
        )
        table.add_row(*(Text(visible(cell)) for cell in cells), style="dim" if template.step == "none" else "")
    carried = {template.task: template.task_hash for template in listing.templates}
    lines = [f"Rows of {task} carry {hashed} in `templates`." for task, hashed in carried.items()]
    return Group(table, *(Text(visible(line)) for line in lines))


def unused(listing: Listing) -> list[str]:
    """Say which files of the user's take no template's place."""
    return [visible(f"{name}.j2: not used by these tasks") for name in listing.unused]


def about(source: Source) -> str:
    """Say in a line where a template comes from and what it includes; the source itself is printed as it stands."""
    parts = ", ".join(part.name for part in source.includes) or "nothing"
    return visible(f"{source.name}.j2 of {source.folder}, hash {source.hash}; includes {parts}")


def render(rendered: Rendered) -> RenderableType:
    row = rendered.row
    parts: list[RenderableType] = [
        Text(visible(f"row {row['id']} · {row['task']}")),
        Text(MADE_UP, style="dim"),
        Text(),
    ]
    for asked in rendered.asked:
        parts.append(Rule(Text(visible(f"{asked.step}  (seed {asked.request.seed})")), align="left", style="dim"))
        for message in asked.request.messages:
            parts += [Text(f"{message.role}:", style="cyan"), Text(visible(message.content)), Text()]
        parts += [Text("answer, made up:", style="cyan"), Text(visible(asked.response.text), style="bold"), Text()]
    if rendered.ended:
        said = f"No further step: with the answers made up, the row ends here ({rendered.ended})."
        parts.append(Text(visible(said), style="yellow"))
    return Group(*parts)


def as_json(rendered: Rendered) -> dict[str, Any]:
    return {
        "row": dict(rendered.row),
        "made_up": ["personas", "answers"],
        "asked": [
            {
                "step": asked.step,
                "seed": asked.request.seed,
                "messages": [asdict(message) for message in asked.request.messages],
                "schema": asked.request.schema,
                "answer": asked.response.text,
            }
            for asked in rendered.asked
        ],
        "ended": rendered.ended,
    }
