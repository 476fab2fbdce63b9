import asyncio
from typing import Any

from synth.tasks import Pair, retrieval

ROW: dict[str, Any] = {
    "seed": 11, "passage": "Iron rusts in damp air.", "title": "Rust", "query_language": "fr", "personas": ["p", "q", "r"],
    "words": 9, "length": "medium",
}  # fmt: skip


class Told:
    """An `ask` that takes the first option of every choice, and remembers what it was given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, step: str, answer: Any, **variables: Any) -> Any:
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
    assert {step: frozenset(variables) for step, variables in written()[1]} == declared


def test_offering_fewer_lets_the_plan_prescribe() -> None:
    _, asked = written(offer=1, types={"summary": 1, "keywords": 0})
    assert (asked[0][1]["types"], len(asked[0][1]["difficulties"])) == (["summary"], 1)


def test_types_are_offered_by_weight_and_each_once() -> None:
    offered = [asyncio.run(_offered(seed)) for seed in range(300)]
    assert all(len(set(types)) == 2 for types in offered)
    assert sum("keywords" in types for types in offered) > 2 * sum("summary" in types for types in offered)


async def _offered(seed: int) -> list[str]:
    ask = Told()
    settings = retrieval.Settings(offer=2, types={"keywords": 8, "summary": 1, "background": 2, "yes_or_no": 2})
    await retrieval.write({**ROW, "seed": seed}, settings, ask)
    found: list[str] = ask.asked[0][1]["types"]
    return found


def test_the_answer_s_schema_is_one_per_offer_whatever_its_order() -> None:
    one = retrieval.role_of("ABC", frozenset({"summary", "keywords"}), frozenset({"phd"}))
    assert one is retrieval.role_of("ABC", frozenset({"keywords", "summary"}), frozenset({"phd"}))
    assert one.model_json_schema()["properties"]["question_type"]["enum"] == ["keywords", "summary"]
