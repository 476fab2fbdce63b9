"""Walks all plug-ins and pages: what each must have and where it must be named; examples in the pages run."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from synth import config, controls, languages, plugins, runs, yamls
from synth.controls import Controls
from synth.errors import ConfigError
from synth.filters import QUESTIONS, ROWS, TEXTS
from synth.progress import shown
from synth.steering import Spent, Tally, decide
from synth.targets import Budget, Cell

DOCS = Path(__file__).parents[1] / "docs"
FAMILIES = {
    "tasks": "tasks.",
    "filters": "filters.",
    "engines": "engine: ",
    "encoders": "embedder: ",
    "rerankers": "reranker: ",
    "executors": "executor: ",
}
ALL = [(family, name) for family in FAMILIES for name in plugins.names(family)]
TASKS = plugins.names("tasks")
KNOWN_ELSEWHERE = {
    "kind", "model", "revision", "dtype", "tensor_parallel_size", "gpu_memory_utilization", "batch_size", "dimensions",
}  # fmt: skip
"""Fields that need no words of ours: they are a model's, vLLM's or sentence-transformers' own."""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("family", "name"), ALL)
def test_a_plug_in_says_what_it_is_and_what_each_setting_does(family: str, name: str) -> None:
    module = plugins.load(family, name)
    assert len((module.__doc__ or "").split()) >= 5
    assert [
        key
        for key, field in module.Settings.model_fields.items()
        if not field.description and not is_model(field.annotation) and key not in KNOWN_ELSEWHERE
    ] == []
    assert [kind for kind in map(is_model, fields_of(module.Settings)) if kind and not kind.__doc__] == []


def is_model(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def fields_of(model: type[BaseModel]) -> Iterator[Any]:
    yield from (field.annotation for field in model.model_fields.values())


@pytest.mark.parametrize(("family", "name"), ALL)
def test_a_plug_in_is_in_the_reference(family: str, name: str) -> None:
    assert f"\n### {FAMILIES[family]}{name}\n" in page("config.md")


@pytest.mark.parametrize("name", plugins.names("filters"))
def test_a_filter_says_what_it_judges(name: str) -> None:
    module = plugins.load("filters", name)
    assert module.JUDGES in (QUESTIONS, TEXTS, ROWS)
    assert f"`{name}`" in page("tasks.md")


def test_each_kind_of_judge_is_there() -> None:
    assert {plugins.load("filters", name).JUDGES for name in plugins.names("filters")} == {QUESTIONS, TEXTS, ROWS}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_described(name: str) -> None:
    """Its section names each of its steps, its controls, and the settings that only it has."""
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## )", page("tasks.md"), re.MULTILINE | re.DOTALL)
    module = plugins.load("tasks", name)
    steps = [step.partition("/")[2] for step in module.steps(module.Settings())]
    own = [key for key in module.Settings.model_fields if key not in Controls.model_fields]
    missing = [word for word in (*steps, *own, *controls.defaults(name), *types(name)) if f"`{word}`" not in section]
    assert missing == []
    assert "Known to be weak: " in section


def types(task: str) -> list[str]:
    return list(controls.defaults(task)["types"])


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_controls_with_definitions(name: str) -> None:
    module, known = plugins.load("tasks", name), controls.defaults(name)
    settings = module.Settings()
    assert name == module.Settings.TASK
    assert {*known} <= {*controls.CONTROLS, *module.Settings.ALSO}
    assert {*module.Settings.ALSO} <= {*known}
    for control, options in known.items():
        assert {*getattr(settings, control)} == {*options}
        for option, said in getattr(settings, control).items():
            assert said.weight > 0
            if control != "lengths":
                assert len(said.definition.split()) >= 2, (control, option)
                assert "{" not in said.definition


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_instructions_in_english(name: str) -> None:
    wordings = plugins.load("tasks", name).INSTRUCTIONS
    assert len(set(map(str.casefold, wordings))) == len(wordings) >= 3
    assert [(wording, other) for wording in wordings if (other := languages.is_language(wording, "en"))] == []
    assert [wording for wording in wordings if len(wording.split()) < 3 or wording != wording.strip()] == []


@pytest.mark.parametrize("name", plugins.names("exports"))
def test_a_format_is_described(name: str) -> None:
    """Its section has the command, a row and how to load it; and each option it takes is on the page."""
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## )", page("exports.md"), re.MULTILINE | re.DOTALL)
    module = plugins.load("exports", name)
    assert len((module.__doc__ or "").split()) >= 5
    assert f"--format {name} --out" in section
    assert "A row:" in section
    assert "To load it:" in section
    assert [option for option in module.OPTIONS if f"--{option}" not in page("exports.md")] == []


# The pages.

CORPUS = {
    "path": "examples/corpus/documents.jsonl",
    "columns": {"text": "text", "id": "id", "title": "title", "language": "language"},
}
BASE = {
    "name": "example",
    "corpus": CORPUS,
    "tasks": {"retrieval": {}, "sts": {}},
    "engine": {"kind": "scripted"},
    "embedder": {"kind": "hashing"},
}
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEERING = [text for kind, text in FENCED.findall(page("steering.md")) if kind == "yaml"]


def example(text: str) -> config.Config:
    found = yamls.loads(text.encode(), "docs/steering.md")
    assert isinstance(found, dict)
    assert found.keys() <= config.Config.model_fields.keys()
    return config.parse(config.Config, BASE | found, where="")


@pytest.mark.parametrize("text", STEERING)
def test_examples_of_steering_are_valid(text: str) -> None:
    if text.startswith("# refused"):
        with pytest.raises(ConfigError, match="a row could count for"):
            example(text)
    else:
        assert example(text).name == "example"


def test_steering_has_examples_and_its_first_is_the_table_of_cells() -> None:
    assert len(STEERING) == 5
    assert [text.startswith("# refused") for text in STEERING].count(True) == 1
    cells = [cell for cell in example(STEERING[0]).cells if cell.task == "retrieval"]
    table = re.findall(r"^\| `(retrieval/[^`]*)` \| (\d+) \|$", page("steering.md"), re.MULTILINE)
    assert [(cell.name, str(cell.rows)) for cell in cells] == table


def test_what_steering_says_of_a_round_is_so() -> None:
    said = " ".join(page("steering.md").split())
    assert "with 100 planned and 50 accepted of 100 gets 110 rows more" in said
    cell = Cell(100, "retrieval", "de")
    assert decide([Tally(cell, 100, 50, 900)], Budget(), Spent({}, {}, 0.0), 1).rows == {"retrieval/de": 110}
    assert "none of 401 rows" in said
    assert [Tally(cell, rows, 0, 900).is_hopeless(Budget().min_acceptance) for rows in (400, 401)] == [False, True]
    assert Budget().rounds == 12
    assert "`rounds` rounds (12)" in said


ROOT = DOCS.parent
PAGES = [
    str(path.relative_to(ROOT)) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *DOCS.rglob("*.md")])
]


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in [slug(title) for title in titles], target


OTHER = (" ", "# refused")
"""How YAML begins that is no config, or is not to be one."""
NAMED = re.compile(r"^`[^`]+`:[^\n]*\n(?:[^\n`]+\n)*\n```.*?^```$", re.MULTILINE | re.DOTALL)
"""A block that is a file of its own: it is written down and run where its page is."""


def fragments(name: str) -> list[str]:
    """YAML on a page that is a part of a config."""
    text = NAMED.sub("", (ROOT / name).read_text(encoding="utf-8"))
    return [inner for kind, inner in FENCED.findall(text) if kind == "yaml" and not inner.startswith(OTHER)]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in PAGES for text in fragments(name)])
def test_settings_on_a_page_are_valid(name: str, text: str) -> None:
    found = yamls.loads(text.encode(), name)
    assert isinstance(found, dict)
    config.parse(config.Config, BASE | found, where="")


def slug(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_the_example_of_a_task_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/tasks.md, word for word: its files are written down and run, as a module that is no part of synth."""
    files = re.findall(r"^`(mylab/\S+)`:\n\n```\w+\n(.*?)^```$", page("tasks.md"), re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == [
        "mylab/tasks/headline.py", "mylab/prompts/headline/controls.yaml", "mylab/prompts/headline/write.j2",
        "mylab/run.yaml",
    ]  # fmt: skip
    for name, text in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "examples").symlink_to(Path("examples").resolve())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings = config.load(Path("mylab/run.yaml"))
    with shown() as display:
        result = runs.run(settings, display)
    rows = runs.rows(settings, "negatives", status="ok", number=1000)
    assert len(rows) == runs.verify(settings)["rows"] >= 100
    assert {row["task"] for row in rows} == {"mylab.tasks.headline"}
    assert {row["type"] for row in rows} == {"plain", "tabloid"}
    assert {row["length"] for row in rows} == {"short"}
    assert {row["positive"] == row["passage"] for row in rows} == {True}
    asked = [row for row in runs.rows(settings, "generate", number=1000) if row["query"]]
    assert len({row["instruction"] for row in asked}) == 3
    stats = json.loads((result.dataset / "stats.json").read_text())
    assert stats["by_task"].keys() == {"mylab.tasks.headline"}
    steered = config.load(Path("mylab/run.yaml"), ["name=steered", "targets=[{type: tabloid, rows: 5}]"])
    with shown() as display:
        runs.run(steered, display)
    assert {row["type"] for row in runs.rows(steered, "negatives", number=1000)} == {"tabloid"}
