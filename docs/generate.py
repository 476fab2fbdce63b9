"""Write the reference pages from the code itself: `make docs`. With --check, say whether they are up to date.

docs/config.md from the settings' models, docs/rows.md from the schemas, docs/cli.md from the commands.
"""

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from synth import config, controls, index, plugins, schemas, targets
from synth.cli import main
from synth.engines import EngineSettings
from synth.settings import KindSettings
from synth.stages.benchmarks import BENCHMARKS
from synth.stages.clusters import CLUSTERS
from synth.stages.quota import SURPLUS_ROWS

HERE = Path(__file__).parent
HEAD = "<!-- Written by docs/generate.py: change the code and run `make docs`. -->\n\n"

# The config.

INTRODUCTION = """Every key, its type and default. `--set a.b=c` overrides any of them. A type that is a link is a mapping, whose
keys are in the section of that name. A key whose default is `null` may be left out, or be null."""
ALL_TASKS = """`tasks: {NAME: {…}}`: what to write. What each task asks, and what its rows hold, is in [tasks.md](tasks.md); how
to steer it, in [steering.md](steering.md). All tasks have these keys; below stands what a task has besides, or otherwise."""
CONTROLS = (controls.Controls, controls.Option, controls.Length, controls.Overrides, controls.TaskScore)
FAMILIES = {
    "tasks": "tasks.",
    "engines": "engine: ",
    "encoders": "embedder: ",
    "executors": "executor: ",
    "rerankers": "reranker: ",
    "filters": "filters.",
}
NOISE = 1_000_000
"""Bounds above this keep slips of the pen out; they are no news to a reader."""
WEIGHTS = get_args(targets.Weights)[1]
"""What tells that names, lists and weights are all read."""
NAMES: Mapping[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null", Any: "anything",
}  # fmt: skip


def config_page() -> str:
    models = inner(config.Config)
    parts = [
        "# The config",
        INTRODUCTION,
        section(config.Config, "The whole", {}),
    ]
    parts += [section(model, model.__name__, models) for model in models if model not in CONTROLS]
    parts += [
        "## Tasks",
        ALL_TASKS,
        table_of(controls.Controls.model_fields.items()),
    ]
    parts += [section(model, model.__name__, {}, level=3) for model in CONTROLS[1:]]
    parts += [entry for name in plugins.names("tasks") for entry in task(name)]
    parts += [
        "## Engines",
        "`engine: {kind: NAME, …}`: what writes. All have these keys:",
        table_of(EngineSettings.model_fields.items()),
    ]
    parts += [section(model, model.__name__, {}, level=3) for model in inner(EngineSettings)]
    parts += [entry for name in plugins.names("engines") for entry in plugin("engines", name, EngineSettings)]
    parts += ["## Encoders", "`embedder: {kind: NAME, …}`: what compares texts."]
    parts += [entry for name in plugins.names("encoders") for entry in plugin("encoders", name, KindSettings)]
    parts += [
        "## Rerankers",
        "`reranker: {kind: NAME, …}`: what reads a query and a passage together, see [encoders.md](encoders.md).",
    ]
    parts += [entry for name in plugins.names("rerankers") for entry in plugin("rerankers", name, KindSettings)]
    parts += [
        "## Executors",
        "`executor: {kind: NAME, …}`: where stages run. `--executor NAME` is short for it. See [cluster.md](cluster.md).",
    ]
    parts += [entry for name in plugins.names("executors") for entry in plugin("executors", name, KindSettings)]
    parts += [
        "## Filters",
        "`filters: {NAME: {…}}`. All run, in this order, and after them those of your own; `NAME: false` switches one off.",
    ]
    parts += [entry for name in plugins.names("filters") for entry in plugin("filters", name, BaseModel)]
    return HEAD + "\n\n".join(part for part in parts if part).rstrip() + "\n"


def section(model: type[BaseModel], title: str, paths: Mapping[Any, str], level: int = 2) -> str:
    """Describe a model: where it stands in the config, what it is, its keys."""
    where = f"`{paths[model]}`. " if model in paths else ""
    return f"{'#' * level} {title}\n\n{where}{inspect.cleandoc(model.__doc__ or '')}\n\n{table_of(model.model_fields.items())}"


def task(name: str) -> Iterator[str]:
    """Describe a task: its keys that others have not, or have with other defaults, and its controls by name."""
    module = plugins.load("tasks", name)
    yield from plugin("tasks", name, controls.Controls, skip=controls.CONTROLS)
    known = controls.defaults(name)
    named = [
        f"| `{control}` | {', '.join(map(option, options, options.values()))} |" for control, options in known.items()
    ]
    yield f"Its controls, in [prompts/{name}/controls.yaml](../prompts/{name}/controls.yaml):"
    yield "\n".join(["| control | names |", "|---|---|", *named])
    assert {*known} <= {*controls.CONTROLS, *module.Settings.ALSO}


def option(name: str, said: Mapping[str, Any]) -> str:
    """Write an option's name, with its weight and words where it has other ones than 1 and none."""
    notes = ["{} to {} words".format(*said["words"])] if "words" in said else []
    notes += [f"weight {said['weight']}"] if said.get("weight", 1) != 1 else []
    return f"`{name}`" + (f" ({', '.join(notes)})" if notes else "")


def plugin(family: str, name: str, common: type[BaseModel], skip: Iterable[str] = ()) -> Iterator[str]:
    """Describe a plug-in, and its keys that are not as in `common`."""
    module = plugins.load(family, name)
    yield f"### {FAMILIES[family]}{name}"
    yield (module.__doc__ or "").strip()
    if issubclass(module.Settings, KindSettings):
        yield inspect.cleandoc(module.Settings.__doc__ or "")
    before = {key: row(key, field) for key, field in common.model_fields.items()}
    fields = module.Settings.model_fields
    own = [(key, fields[key]) for key in fields if key not in skip and row(key, fields[key]) != before.get(key)]
    yield table_of((key, field) for key, field in own if key != "kind") or "No settings of its own."


def inner(model: type[BaseModel], path: str = "") -> dict[type[BaseModel], str]:
    """Return the models inside a model, each with its place in the config, in order of their fields."""
    found: dict[type[BaseModel], str] = {}
    for name, field in model.model_fields.items():
        for kind in models_in(field.annotation):
            if issubclass(kind, KindSettings | controls.Controls) or kind.__name__ == "Strict":
                continue
            place = f"{path}{name}" + ("[]" if get_origin(field.annotation) is list else "")
            found |= {kind: place} | inner(kind, f"{place}.")
    return found


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and not get_origin(kind) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from models_in(part)


def table_of(fields: Iterable[tuple[str, FieldInfo]]) -> str:
    rows = [row(name, field) for name, field in fields]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) if rows else ""


def row(name: str, field: FieldInfo) -> str:
    is_model = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    said = field.description or (field.annotation.__doc__ if is_model else "")
    kind = type_of(field.annotation, field.metadata)
    if not field.is_required() and field.default is None:
        kind = kind.removesuffix(" or null")
    return f"| `{name}` | {kind} | {default(field)} | {one_line(said)} |"


def type_of(kind: Any, limits: Iterable[Any] = ()) -> str:
    """Say in words what a key takes, with a link where it takes a mapping of its own section."""
    limits = list(limits)
    if WEIGHTS in limits:
        return "a name, a list of names, or name → weight"
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        metadata = args[1].metadata if len(args) > 1 and isinstance(args[1], FieldInfo) else args[1:]
        return type_of(args[0], [*metadata, *limits])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin is dict:
        return f"name → {type_of(args[1])}"
    if origin is list:
        return f"list of {type_of(args[0])}"
    if origin is tuple:
        return f"[{', '.join(map(type_of, args))}]"
    if origin in (Union, UnionType):
        return " or ".join(type_of(part, limits if part is not type(None) else ()) for part in args)
    if isinstance(kind, type) and issubclass(kind, KindSettings):
        return "by `kind`"
    if kind is controls.Controls:
        return "[settings](#tasks)"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "[settings](#filters)" if kind.__name__ == "Strict" else f"[{kind.__name__}](#{kind.__name__.lower()})"
    return NAMES[kind] + bounds(limits)


def bounds(limits: Iterable[Any]) -> str:
    """Say from what to what a number goes, leaving out bounds that only keep slips of the pen out."""
    found = {
        sign: value
        for limit in limits
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if (value := getattr(limit, name, None)) is not None and abs(value) <= NOISE
    }
    if found.keys() == {"≥", "≤"}:
        if found["≥"] == found["≤"]:
            return f", {found['≥']}"
        return f", {found['≥']:,} to {found['≤']:,}"
    return "".join(f", {sign} {value:,}" for sign, value in found.items())


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if field.default is PydanticUndefined else field.default
    if isinstance(value, BaseModel):
        changed = {name: getattr(value, name) for name in value.model_fields_set}
        return f"`{changed}`".replace("'", "") if changed else ""
    if value == "" or (value == {} and issubclass(next(models_in(field.annotation), BaseModel), controls.Option)):
        return "the task's" if value == {} else "empty"
    return f"`{'null' if value is None else str(value).lower() if isinstance(value, bool) else value}`".replace(
        "|", "\\|"
    )


def one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


# The rows.

PAGES_OF_ROWS = (
    ("the published dataset", schemas.DATASET, None, "`dataset/data/`: one row per query."),
    ("scored pairs", schemas.SCORED_PAIRS, None,
     '`dataset/scored_pairs/`: graded rows once more, as pairs: `load_dataset(FOLDER, "scored_pairs")`.'),
    ("known", schemas.KNOWN, None, "Only with `known`: rows of earlier runs."),
    ("benchmarks", BENCHMARKS, None, "Only with `decontamination`: the texts to keep out, as hashes."),
    ("corpus, screen", schemas.PASSAGES, None, "One row per passage; `screen` runs only with `decontamination`."),
    ("personas", schemas.PERSONAS, schemas.PASSAGES, ""),
    ("index", index.INDEX, None, "passages.arrow: the passages in the running. Their vectors and kinds stand beside it."),
    ("plan", schemas.PLAN, None, "One row per row to write."),
    ("generate, filter, decontaminate", schemas.PAIRS, schemas.PLAN, ""),
    ("score, select", schemas.SCORED, schemas.PAIRS, ""),
    ("clusters", CLUSTERS, None, "clusters.parquet: the rows that are near-equal to a better one, and the id of that one."),
    ("dedup", schemas.CLUSTERED, schemas.SCORED, ""),
    ("rerank, judge", schemas.RERANKED, schemas.CLUSTERED, "Only with a `reranker`."),
    ("negatives", schemas.MINED, schemas.RERANKED, ""),
    ("quota", SURPLUS_ROWS, None, "surplus.parquet: accepted rows beyond their cell's target. The counts are in quota.json."),
)  # fmt: skip


def rows_page() -> str:
    parts = ["# The rows", (schemas.__doc__ or "").strip()]
    titles = {id(schema): title for title, schema, _, _ in PAGES_OF_ROWS}
    for name, schema in vars(schemas).items():
        assert not isinstance(schema, pa.Schema) or id(schema) in titles, f"schemas.{name} is not in PAGES_OF_ROWS"
    for title, schema, base, said in PAGES_OF_ROWS:
        parts.append(f"## {title}")
        known = {field.name: field for field in base} if base else {}
        lost = [f"`{name}`" for name in known if name not in schema.names]
        if base:
            without = f", without {', '.join(lost)}" if lost else ""
            said = f"The columns of [{titles[id(base)]}](#{slug(titles[id(base)])}){without}, and these:"
        parts += [said] if said else []
        head = ["| column | type | null | meaning |", "|---|---|---|---|"]
        parts.append("\n".join([*head, *(column(field) for field in schema if field.name not in known)]))
    return HEAD + "\n\n".join(parts).rstrip() + "\n"


def column(field: pa.Field) -> str:
    said = (field.metadata or {}).get(b"doc", b"").decode()
    kind = str(field.type).replace("list<item: ", "list<").replace(" not null", "")
    return f"| `{field.name}` | `{kind}` | {'yes' if field.nullable else ''} | {one_line(said)} |"


def slug(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


# The commands.


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
