import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from synth import controls, prompts
from synth.tasks import Pair, code

ROW: dict[str, Any] = {
    "seed": 11, "passage": "def f(x):\n\treturn x + 1", "title": "f.py", "syntax": "python", "query_language": "en",
    "words": 9, "length": "medium", "clarity": "", "types": ["problem"], "difficulties": ["expert"],
}  # fmt: skip


class Told:
    """An `ask` that answers, and remembers what it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, step: str, answer: Any, *, share: str = "", **variables: Any) -> Any:
        assert not share
        self.asked.append((step, variables))
        return answer(query=" add one to a number\n")


def written(row: dict[str, Any] = ROW, **settings: Any) -> tuple[Pair, list[tuple[str, dict[str, Any]]]]:
    ask = Told()
    return asyncio.run(code.write(row, code.Settings(**settings), ask)), ask.asked


def test_a_query_is_written_in_one_step_and_the_function_is_its_positive() -> None:
    pair, asked = written(naming=1.0)
    assert pair == Pair(
        query="add one to a number", positive="def f(x):\n\treturn x + 1", type="problem", difficulty="expert"
    )
    assert asked == [
        (
            "code/query",
            {
                "passage": "def f(x):\n\treturn x + 1",
                "title": "f.py",
                "syntax": "python",
                "named": "python",
                "type": "the problem or symptom of somebody whom this code would help",
                "difficulty": "in the exact terms of a specialist, naming the algorithm, structure or protocol",
                "clarity": "",
                "words": 9,
                "length": "medium",
                "language": "English",
            },
        )
    ]


def test_steps_are_given_exactly_the_variables_they_declare() -> None:
    ((step, given),) = written()[1]
    assert {step: frozenset(given)} == {name: step.variables for name, step in code.steps(code.Settings()).items()}
    assert code.steps(code.Settings())[step].answer == {*code.Query.model_fields}


def test_some_queries_name_the_programming_language() -> None:
    named = [written({**ROW, "seed": seed}, naming=0.25)[1][0][1]["named"] for seed in range(400)]
    assert {*named} == {"python", ""}
    assert 70 < named.count("python") < 130


def test_code_is_asked_about_in_english_by_default_and_nothing_is_left_to_the_model() -> None:
    settings = code.Settings()
    assert controls.draw(settings, 3, settings.query_languages).query_language == "en"
    assert {len(controls.draw(settings, seed, {"en": 1}).types) for seed in range(20)} == {1}
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        code.Settings(choose=2)


def test_controls_may_be_left_out_or_be_ones_own() -> None:
    row = {**ROW, "difficulties": [], "types": ["review"], "clarity": "terse", "query_language": "de"}
    own = {"review": {"definition": "a reviewer's remark"}}
    pair, asked = written(row, types=own, clarities={"terse": {"definition": "in telegram style"}})
    assert (pair.type, pair.difficulty) == ("review", "")
    assert [asked[0][1][name] for name in ("type", "difficulty", "clarity", "language")] == [
        "a reviewer's remark", "", "in telegram style", "German",
    ]  # fmt: skip


def test_templates_say_all_that_they_are_given() -> None:
    templates = prompts.load(None)
    for name, step in code.steps(code.Settings()).items():
        templates.check(name, *step)
    given = written(
        naming=1.0, clarities={"terse": {"definition": "in telegram style"}}, row={**ROW, "clarity": "terse"}
    )[1][0][1]
    first, *_, last = templates.render("code/query", given)
    assert first.role == "system"
    assert last.content == (
        "Code:\ndef f(x):\n\treturn x + 1\n\nWrite the problem or symptom of somebody whom this code would help, in the exact "
        "terms of a specialist, naming the algorithm, structure or protocol, in English, about 9 words long, in telegram style. "
        "Mention python."
    )
    bare = templates.render("code/query", {**given, "difficulty": "", "words": 0, "named": "", "clarity": ""})[
        -1
    ].content
    assert bare.endswith(
        "Write the problem or symptom of somebody whom this code would help, in English. "
        "Do not mention the programming language."
    )
