import asyncio
from typing import Any

import pytest

from synth import prompts
from synth.tasks import Pair, retrieval

ROW: dict[str, Any] = {
    "seed": 11, "passage": "Iron rusts in damp air.", "title": "Rust", "query_language": "fr", "personas": ["p", "q", "r"],
    "words": 9, "length": "medium", "clarity": "", "types": ["summary", "acquire_knowledge"], "difficulties": ["high_school"],
}  # fmt: skip


class Told:
    """An `ask` that takes the first option of every choice, and remembers what it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, step: str, answer: Any, *, share: str = "", **variables: Any) -> Any:
        self.asked.append((step, variables))
        if step == "retrieval/query":
            return answer(query=" Pourquoi le fer rouille-t-il ? ")
        return answer(character="A", question_type=min(variables["types"]), difficulty=min(variables["difficulties"]))


def written(**settings: Any) -> tuple[Pair, list[tuple[str, dict[str, Any]]]]:
    ask = Told()
    return asyncio.run(retrieval.write(ROW, retrieval.Settings(**settings), ask)), ask.asked


def test_a_query_is_written_in_two_steps() -> None:
    pair, asked = written()
    first = asked[0][1]["personas"]["A"]
    assert pair == Pair(
        query="Pourquoi le fer rouille-t-il ?", positive="Iron rusts in damp air.",
        persona=first, type="acquire_knowledge", difficulty="high_school",
    )  # fmt: skip
    assert [step for step, _ in asked] == ["retrieval/configure", "retrieval/query"]
    assert sorted(asked[0][1]["personas"].values()) == ["p", "q", "r"]
    assert {name: asked[1][1][name] for name in ("persona", "type", "words", "language")} == {
        "persona": first, "type": "acquire_knowledge", "words": 9, "language": "French",
    }  # fmt: skip


def test_steps_are_given_exactly_the_variables_they_declare() -> None:
    declared = retrieval.steps(retrieval.Settings())
    assert {step: frozenset(variables) for step, variables in written()[1]} == {
        step: asked.variables for step, asked in declared.items()
    }


def test_prompts_are_given_what_names_mean() -> None:
    clarities = {"plain": {"definition": "clear at once"}}
    configure, query = (given for _, given in written(examples="query_language", clarities=clarities)[1])
    assert configure["types"] == {
        "summary": "a request for an overview of the subject",
        "acquire_knowledge": "a question that asks for a fact or an explanation",
    }
    assert (query["difficulties"], query["shown_in"]) == ({"high_school": "in plain words, on a main point"}, "fr")
    assert written()[1][1][1]["shown_in"] == "en"


@pytest.mark.parametrize("step", ["retrieval/configure", "retrieval/query"])
@pytest.mark.parametrize(
    ("shown_in", "query"),
    [
        ("en", "Is a Fresnel lens made of prisms?"),
        ("fr", "Une lentille de Fresnel est-elle faite de prismes ?"),
        ("sw", "Is a Fresnel lens made of prisms?"),
    ],
)  # fmt: skip
def test_worked_examples_are_in_the_language_asked_for_where_there_are_any(
    step: str, shown_in: str, query: str
) -> None:
    _, asked = written()
    given = {**dict(asked)[step], "shown_in": shown_in}
    turns = prompts.load(None).render(step, given)
    assert f'{{"query": "{query}"}}' in [turn.content for turn in turns if turn.role == "assistant"]
    assert turns[-1].content.startswith("Passage:\nIron rusts in damp air.\n\n")


def test_the_answer_s_schema_is_one_per_offer_whatever_its_order() -> None:
    one = retrieval.role_of("ABC", frozenset({"summary", "keywords"}), frozenset({"phd"}))
    assert one is retrieval.role_of("ABC", frozenset({"keywords", "summary"}), frozenset({"phd"}))
    assert one.model_json_schema()["properties"]["question_type"]["enum"] == ["keywords", "summary"]
