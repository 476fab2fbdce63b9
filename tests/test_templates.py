"""`synth prompts`: what is listed, shown and rendered, with synth's own templates and a user's in front of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from synth import cli, plugins, prompts, templates
from synth.ask import Asked
from synth.config import Config, load
from synth.errors import ConfigError
from synth.prompts import Message
from synth.templates import Listing, Source, Template

OWN = str(Path(__file__).parents[1] / "prompts")
CONFIG = """
name: run
outputs: {folder}/outputs
seed: 1
corpus: {{path: examples/corpus/documents.jsonl, columns: {{text: text, id: id, title: title, language: language}}, licence: CC0-1.0}}
tasks: {{retrieval: {{}}}}
prompts: {folder}/mine
engine: {{kind: vllm, model: none/such}}
embedder: {{kind: sentence_transformers, model: none/such}}
"""
CONFIGURE_HEADER = """{#-
task: retrieval; step: configure
variables: difficulties, language, passage, personas, shown_in, title, types
answer: character, difficulty, question_type
-#}
"""
CONFIGURE = (
    CONFIGURE_HEADER
    + """{% call system() %}Choose.{% endcall %}
{% call user() %}
{{ passage }} {{ personas }}
{"character": "…", "question_type": "…", "difficulty": "…"}
{% endcall %}
"""
)
QUERY = """{#-
task: retrieval; step: query
variables: clarity, difficulties, difficulty, language, length, passage, persona, shown_in, title, type, types, words
answer: query
-#}
{% include "retrieval/_mine.j2" %}
{% call user() %}
Passage:
{{ passage }}

{{ persona }} {{ type }}: {{ types[type] }}
{% endcall %}
"""
MINE = """{#-
task: retrieval; step: none
-#}
{% call system() %}Answer with a query.{% endcall %}
"""
ROW: dict[str, Any] = {
    "id": "r1", "task": "retrieval", "round": 1, "cell": "", "ordinal": 0, "seed": 7, "passage_id": "p1", "document_id": "d1",
    "source": "docs.jsonl:1", "title": "Otters", "passage": "Otters sleep\x1b[2J holding hands. <|im_end|>",
    "passage_language": "en", "syntax": "", "translation": "", "query_language": "en", "types": ["keywords"],
    "difficulties": ["phd"], "length": "short", "words": 5, "clarity": "", "personas": ["A zookeeper."],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.engines.scripted._question", lambda turn, draw: "How do otters sleep?")


def mine(folder: Path, **files: str) -> Path:
    """Write a user's templates, and a config that takes them."""
    inside = folder / "mine" / "retrieval"
    inside.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (inside / f"{name}.j2").write_text(text)
    path = folder / "run.yaml"
    path.write_text(CONFIG.format(folder=folder))
    return path


def config(folder: Path, **files: str) -> Config:
    return load(mine(folder, **files))


def invoke(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.main, ["prompts", *map(str, arguments)])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def without_hashes(listing: Listing) -> list[Template]:
    return [replace(one, hash="", task_hash="") for one in listing.templates if one.task == "retrieval"]


STEPS = [
    Template(
        name="retrieval/configure", task="retrieval", step="configure", folder=OWN, own=True, hash="", task_hash="",
        variables=("difficulties", "language", "passage", "personas", "shown_in", "title", "types"),
        answer=("character", "difficulty", "question_type"),
    ),
    Template(
        name="retrieval/query", task="retrieval", step="query", folder=OWN, own=True, hash="", task_hash="",
        variables=(
            "clarity", "difficulties", "difficulty", "language", "length", "passage", "persona", "shown_in", "title", "type",
            "types", "words",
        ),
        answer=("query",),
    ),
]  # fmt: skip


def part(name: str, folder: str = OWN) -> Template:
    return Template(
        name=f"retrieval/{name}", task="retrieval", step="none", variables=(), answer=(),
        folder=folder, own=folder == OWN, hash="", task_hash="",
    )  # fmt: skip


@pytest.mark.parametrize("task", plugins.names("tasks"))
def test_templates_that_ship_are_right(task: str) -> None:
    module = plugins.load("tasks", task)
    for name, step in module.steps(module.Settings()).items():
        prompts.load(None).check(name, *step)


def test_steps_are_listed_and_what_they_include(tmp_path: Path) -> None:
    own = load(mine(tmp_path), ["prompts=null"])
    found = templates.listed(own)
    assert without_hashes(found) == [*STEPS, part("_examples"), part("_opening"), part("_terms")]
    assert found.unused == []
    for template in found.templates:
        assert template.hash == prompts.load(None).hash([template.name])
        assert template.task_hash == prompts.load(None).hash(["retrieval/configure", "retrieval/query"])


def test_a_users_templates_take_the_place_of_those_of_the_same_name(tmp_path: Path) -> None:
    before = templates.listed(load(mine(tmp_path), ["prompts=null"])).templates
    terms = "{#- task: retrieval; step: none -#}{% macro ask_query() %}{% endmacro %}"
    found = templates.listed(config(tmp_path, query=QUERY, _mine=MINE, qery="", _terms=terms))
    users = str(tmp_path / "mine")
    assert found.unused == ["retrieval/qery"]
    assert without_hashes(found) == [
        STEPS[0],
        replace(STEPS[1], folder=users, own=False),
        part("_examples"), part("_mine", users), part("_opening"), part("_terms", users),
    ]  # fmt: skip
    hashes = {one.name: one.hash for one in before}
    assert {one.name for one in found.templates if one.hash == hashes.get(one.name)} == {"retrieval/_examples"}
    assert {one.task_hash for one in found.templates} & {one.task_hash for one in before} == set()


def test_what_is_wrong_with_a_users_template_is_told_when_it_is_listed(tmp_path: Path) -> None:
    path = mine(tmp_path, configure=CONFIGURE.replace("passage, personas", "pasage, personas"))
    said = invoke("list", path, code=2).stderr
    assert said == (
        "error: template retrieval/configure.j2: its header has an unknown variable 'pasage'; did you mean 'passage'?; "
        "no variable 'passage'\n"
        f"  fix: the right header:\n{CONFIGURE_HEADER}"
    )


def test_a_source_is_shown_with_what_it_includes(tmp_path: Path) -> None:
    settings = config(tmp_path, query=QUERY, _mine=MINE)
    users, found = str(tmp_path / "mine"), prompts.load(str(tmp_path / "mine"))
    expected = Source(
        "retrieval/query", users, False, found.hash(["retrieval/query"]), QUERY,
        (Source("retrieval/_mine", users, False, found.hash(["retrieval/_mine"]), MINE),),
    )  # fmt: skip
    assert [templates.source(name, settings) for name in ("retrieval/query", "retrieval/query.j2")] == [expected] * 2
    assert [one.name for one in templates.source("retrieval/query", None).includes] == [
        "retrieval/_examples", "retrieval/_opening", "retrieval/_terms",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("retrieval/qery", "no template 'retrieval/qery'; did you mean 'retrieval/query'?"),
        ("zzz", "no template 'zzz'"),
        ("../../etc/passwd", "no template '../../etc/passwd'"),
        ("x" * 300, f"no template '{'x' * 300}'"),
        ("a\0b", "no template 'a\\x00b'"),
        ("../mine/retrieval/query", f"template ../mine/retrieval/query.j2: not found in FOLDER, {OWN}"),
    ],
)
def test_a_template_that_is_not_there(name: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        templates.source(name, config(tmp_path, query=QUERY))
    assert error.value.what == what.replace("FOLDER", str(tmp_path / "mine"))


def flat(asked: Asked) -> tuple[str, tuple[Message, ...], str]:
    return asked.step, asked.request.messages, asked.response.text


def test_planned_rows_are_rendered_with_answers_made_up(tmp_path: Path) -> None:
    settings = config(tmp_path, configure=CONFIGURE, query=QUERY, _mine=MINE)
    [found] = templates.asked(settings, [ROW])
    assert (found.row, found.ended, [flat(one) for one in found.asked]) == (
        ROW,
        "",
        [
            (
                "retrieval/configure",
                (
                    Message("system", "Choose."),
                    Message(
                        "user",
                        "Otters sleep\x1b[2J holding hands. < |im_end|> {'A': 'A zookeeper.'}\n"
                        '{"character": "…", "question_type": "…", "difficulty": "…"}',
                    ),
                ),
                '{"character": "A", "question_type": "keywords", "difficulty": "phd"}',
            ),
            (
                "retrieval/query",
                (
                    Message("system", "Answer with a query."),
                    Message(
                        "user",
                        "Passage:\nOtters sleep\x1b[2J holding hands. < |im_end|>\n\n"
                        "A zookeeper. keywords: a few search keywords, not a sentence",
                    ),
                ),
                '{"query": "How do otters sleep?"}',
            ),
        ],
    )
    assert templates.asked(settings, [ROW]) == [found]


def test_a_template_that_fails_for_a_row_is_an_error(tmp_path: Path) -> None:
    settings = config(tmp_path, configure=CONFIGURE.replace("{{ passage }}", "{{ passage.titel }}"))
    with pytest.raises(ConfigError) as error:
        templates.asked(settings, [ROW])
    assert error.value.what == "template retrieval/configure.j2: 'str object' has no attribute 'titel'"


def test_a_row_may_end_with_an_answer_that_is_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.engines.scripted._fill", lambda schema, request, draw: {"character": "Z"})
    [found] = templates.asked(config(tmp_path, configure=CONFIGURE), [ROW])
    assert [one.step for one in found.asked] == ["retrieval/configure"]
    assert found.ended == "unparsable: character: Input should be 'A'"


def planned(count: int) -> Any:
    return lambda config, number: [{**ROW, "id": f"r{n}"} for n in range(min(count, number))]


def test_render_shows_a_row_and_says_what_is_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_planned", planned(3))
    path = mine(tmp_path, configure=CONFIGURE, query=QUERY, _mine=MINE)
    said = invoke("render", path, "--row", "2").stdout
    lines = [line for line in said.splitlines() if not line.startswith("retrieval/")]
    assert lines == [
        "row r2 · retrieval",
        "The personas are the first of the library, and the answers are made up: no engine or embedder was asked.",
        "",
        "system:", "Choose.", "",
        "user:", "Otters sleep\\x1b[2J holding hands. < |im_end|> {'A': 'A zookeeper.'}",
        '{"character": "…", "question_type": "…", "difficulty": "…"}', "",
        "answer, made up:", '{"character": "A", "question_type": "keywords", "difficulty": "phd"}', "",
        "system:", "Answer with a query.", "",
        "user:", "Passage:", "Otters sleep\\x1b[2J holding hands. < |im_end|>", "",
        "A zookeeper. keywords: a few search keywords, not a sentence", "",
        "answer, made up:", '{"query": "How do otters sleep?"}', "",
    ]  # fmt: skip
    shown = json.loads(invoke("render", path, "--json").stdout)
    assert {name: shown[name] for name in ("row", "made_up", "ended")} == {
        "row": {**ROW, "id": "r0"}, "made_up": ["personas", "answers"], "ended": "",
    }  # fmt: skip
    assert [(one["step"], one["messages"][0], one["answer"][:9]) for one in shown["asked"]] == [
        ("retrieval/configure", {"role": "system", "content": "Choose."}, '{"charact'),
        ("retrieval/query", {"role": "system", "content": "Answer with a query."}, '{"query":'),
    ]


@pytest.mark.parametrize(
    ("rows", "number", "said"),
    [
        (3, "3", "error: --row 3: the corpus gives 3 rows, counted from 0\n  fix: give a number up to 2\n"),
        (
            0,
            "0",
            "error: --row 0: the corpus gives 0 rows, counted from 0\n  fix: look at `synth plan`: no task has a row to write\n",
        ),
    ],
)
def test_a_row_that_is_not_there(
    rows: int, number: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "_planned", planned(rows))
    assert invoke("render", mine(tmp_path, query=QUERY, _mine=MINE), "--row", number, code=2).stderr == said


def test_render_plans_the_beginning_of_the_corpus_and_starts_nothing(tmp_path: Path) -> None:
    """The config's engine and embedder do not exist."""
    path = mine(tmp_path, configure=CONFIGURE, query=QUERY, _mine=MINE)
    found = [json.loads(invoke("render", path, "--json", "--row", str(n)).stdout)["row"] for n in (0, 1, 2, 130)]
    assert [(row["document_id"], row["ordinal"]) for row in found[:3]] == [
        ("en-photosynthesis", 0), ("en-photosynthesis", 1), ("en-c4-plants", 0),
    ]  # fmt: skip
    assert len({row["id"] for row in found}) == 4
    assert len(found[0]["personas"]) == 5
    less = invoke("render", path, "--set", "corpus.limit=1", "--row", "9", code=2).stderr
    assert less.startswith("error: --row 9: the corpus gives 2 rows, counted from 0")
    assert not (tmp_path / "outputs").exists()


def test_list_prints_a_table_or_an_object_a_line(tmp_path: Path) -> None:
    path = mine(tmp_path, query=QUERY, _mine=MINE, qery="")
    result = invoke("list", path)
    assert "retrieval/query" in result.stdout
    assert "→ character" in result.stdout
    task_hash = templates.listed(load(path)).templates[0].task_hash
    assert result.stdout.splitlines()[-1] == f"Rows of retrieval carry {task_hash} in `templates`."
    assert result.stderr == "retrieval/qery.j2: not used by these tasks\n"
    lines = [json.loads(line) for line in invoke("list", path, "--json").stdout.splitlines()]
    assert [(line["name"], line["own"]) for line in lines] == [
        ("retrieval/configure", True), ("retrieval/query", False), ("retrieval/_examples", True), ("retrieval/_mine", False),
        ("retrieval/_opening", True), ("retrieval/_terms", True),
    ]  # fmt: skip
    assert list(lines[0]) == ["name", "task", "step", "variables", "answer", "folder", "own", "hash", "task_hash"]
    again = invoke("list", path, "--set", "prompts=null", "--json").stdout.splitlines()
    assert {json.loads(line)["own"] for line in again} == {True}


def test_show_prints_a_source_that_can_be_put_into_a_file(tmp_path: Path) -> None:
    path = mine(tmp_path, query=QUERY, _mine=MINE + "\x1b[2J")
    result = invoke("show", "retrieval/query", path)
    assert result.stdout == QUERY
    hashed = prompts.load(str(tmp_path / "mine")).hash(["retrieval/query"])
    assert result.stderr == (f"retrieval/query.j2 of {tmp_path}/mine, hash {hashed}; includes retrieval/_mine\n")
    assert invoke("show", "retrieval/_mine", path).stdout == MINE + "\\x1b[2J\n"
    shown = json.loads(invoke("show", "retrieval/query", path, "--json").stdout)
    assert list(shown) == ["name", "folder", "own", "hash", "source", "includes"]
    assert [one["name"] for one in shown["includes"]] == ["retrieval/_mine"]


def test_a_setting_without_a_config_is_refused() -> None:
    for arguments in (["list"], ["show", "retrieval/query"]):
        said = invoke(*arguments, "--set", "prompts=x", code=2).stderr
        assert "Error: --set: there is no CONFIG whose settings it could override" in said


def test_the_page_explains_each_variable_of_retrieval() -> None:
    page = (Path(__file__).parents[1] / "docs" / "prompts.md").read_text()
    assert [name for step in STEPS for name in (*step.variables, *step.answer) if f"`{name}`" not in page] == []


def test_each_command_has_help() -> None:
    group = cli.main.commands["prompts"]
    assert sorted(group.commands) == ["list", "render", "show"]  # type: ignore[attr-defined]
    for name in ("list", "render", "show"):
        assert "Usage" in invoke(name, "--help").stdout
