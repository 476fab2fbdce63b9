import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from synth import controls, prompts
from synth.ask import schema_of
from synth.tasks import Pair, Unusable, classification

ROW: dict[str, Any] = {
    "seed": 7, "passage_id": "p1", "passage": "Bees dance.", "title": "Bees", "query_language": "de", "words": 20,
    "length": "short", "clarity": "ambiguous", "types": ["label"], "difficulties": ["phd"],
}  # fmt: skip
TASK = {
    "domain": "letters\nto beekeepers",
    "instruction": " Tell what the sender wants ",
    "labels": ["buy honey", " report a swarm", "complain", "ask"],
}
TASK_GIVEN = {"domain": "letters to beekeepers", "instruction": "Tell what the sender wants"}


class Told:
    """An `ask` that thinks of TASK, takes the last option of every choice, and remembers what it was given."""

    def __init__(self, task: dict[str, Any], texts: dict[str, str]) -> None:
        self.task, self.texts = task, texts
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def __call__(self, step: str, answer: Any, *, share: str = "", **variables: Any) -> Any:
        self.asked.append((step, share, variables))
        if step == "classification/brainstorm":
            return answer.model_validate_json(json.dumps(self.task), strict=True)
        label = variables["labels"][variables["label"]]
        number = sum(step == "classification/text" for step, _, _ in self.asked)
        text = self.texts.get(label, f" Text {number}, {label[:1]}. ")
        return answer(text=text, misleading_label=schema(answer)["misleading_label"]["enum"][-1])


def schema(answer: Any) -> Any:
    return json.loads(schema_of(answer))["properties"]


def written(
    row: dict[str, Any] = ROW, task: dict[str, Any] | None = None, texts: dict[str, str] | None = None, **settings: Any
) -> tuple[Pair, list[tuple[str, str, dict[str, Any]]]]:
    ask = Told(task or TASK, texts or {})
    return asyncio.run(classification.write(row, classification.Settings(**settings), ask)), ask.asked


def test_a_text_with_its_label() -> None:
    pair, asked = written()
    assert pair == Pair(
        query="Text 1, c.", positive="complain", negatives=("ask", "buy honey", "report a swarm"), written=("query", "instruction"),
        positive_language="en", instruction="Tell what the sender wants", type="label", difficulty="phd", label="complain",
    )  # fmt: skip
    assert asked == [
        (
            "classification/brainstorm",
            "p1",
            {"passage": "Bees dance.", "title": "Bees", "aspect": "what kind of text they are"},
        ),
        (
            "classification/text",
            "",
            {
                **TASK_GIVEN,
                "labels": {"A": "complain", "B": "buy honey", "C": "report a swarm", "D": "ask"},
                "label": "A",
                "words": 20,
                "length": "short",
                "clarity": "such that a second label could be meant, too",
                "difficulty": "in a specialist's terms",
                "language": "German",
                "earlier": "",
                "earlier_label": "",
            },
        ),
    ]


def test_a_text_with_others_of_its_label_and_of_others() -> None:
    pair, asked = written({**ROW, "types": ["text"]})
    assert pair == Pair(
        query="Text 1, c.", positive="Text 2, c.", negatives=("Text 3, a.", "Text 4, b."),
        written=("query", "positive", "negatives", "instruction"), positive_language="de", instruction="Tell what the sender wants",
        type="text", difficulty="phd", label="complain",
    )  # fmt: skip
    assert [(given["label"], given["earlier"], given["earlier_label"]) for _, _, given in asked[1:]] == [
        ("A", "", ""), ("A", "Text 1, c.", "A"), ("D", "Text 1, c.", "A"), ("B", "Text 1, c.", "A"),
    ]  # fmt: skip
    assert [len(written({**ROW, "types": ["text"]}, other_texts=n)[0].negatives) for n in (0, 2, 4)] == [1, 3, 3]


def test_rows_of_a_passage_share_the_task_and_take_labels_in_turn() -> None:
    asked = [written({**ROW, "seed": seed})[1] for seed in range(40)]
    assert all(calls[0] == asked[0][0] for calls in asked)
    assert {calls[1][2]["labels"][calls[1][2]["label"]] for calls in asked} == {
        "buy honey",
        "report a swarm",
        "complain",
        "ask",
    }
    assert {calls[1][2]["label"] for calls in asked} == {"A", "B", "C", "D"}


def test_passages_differ_in_what_their_labels_tell_apart() -> None:
    told = {written({**ROW, "passage_id": f"p{n}"})[1][0][2]["aspect"] for n in range(40)}
    assert len(told) == 6
    aspects = {"topic": 0, "tone": {"weight": 1, "definition": "how polite they are"}}
    assert {written({**ROW, "passage_id": f"p{n}"}, aspects=aspects)[1][0][2]["aspect"] for n in range(9)} == {
        "how polite they are"
    }


BAD_TASKS: dict[str, tuple[dict[str, Any], str]] = {
    "a label twice": ({"labels": ["Ask", "buy", " ask "]}, "bad_task: a label twice: ask"),
    "an empty label": ({"labels": ["a", " \n", "b"]}, "bad_task: no label: ''"),
    "a label without letters": ({"labels": ["a", "…", "b"]}, "bad_task: no label: '…'"),
    "a sentence as a label": ({"labels": ["a", "b" * 61, "c"]}, f"bad_task: no label: '{'b' * 61}'"),
    "a story": ({"domain": "d" * 301}, f"bad_task: more than 300 characters: {'d' * 80}"),
    "another language": (
        {"instruction": "Ordne die Briefe danach, was ihre Absender von den Imkern wollen."},
        "bad_task: instruction looks like de: Ordne die Briefe danach, was ihre Absender von den Imkern wollen.",
    ),
}


@pytest.mark.parametrize(("bad", "problem"), BAD_TASKS.values(), ids=BAD_TASKS)
def test_a_task_that_is_none_ends_the_row(bad: dict[str, Any], problem: str) -> None:
    with pytest.raises(Unusable) as error:
        written(task={**TASK, **bad})
    assert str(error.value) == problem


@pytest.mark.parametrize("labels", [["a", "b"], list("abcdefg"), ["a", "b", 3]])
def test_another_number_of_labels_is_no_answer(labels: list[Any]) -> None:
    with pytest.raises(ValidationError):
        written(task={**TASK, "labels": labels})


def test_an_empty_instruction_leaves_the_place_to_ours() -> None:
    assert written(task={**TASK, "instruction": " "})[0].instruction == ""
    assert len(classification.INSTRUCTIONS) >= 4


@pytest.mark.parametrize(
    ("label", "text", "is_named"),
    [
        ("complain", "I must Complain: no honey.", True),
        ("complain", "I complained.", False),
        ("report a swarm", "To report, a swarm!", True),
        ("report a swarm", "A swarm to report.", False),
        ("no", "There is no honey.", False),  # so short that it says nothing
        ("投诉蜂农", "我要投诉蜂农。", True),
        ("complain", "", False),  # empty texts are the filters' business
    ],
)
def test_a_text_that_names_its_label_ends_the_row(label: str, text: str, is_named: bool) -> None:
    task = {**TASK, "labels": [label, "b", "c"]}
    texts = {label: text, "b": f"{label} b", "c": f"{label} c"}
    row = next(row for row in ({**ROW, "seed": n} for n in range(50)) if _drawn(row, task) == label)
    if is_named:
        with pytest.raises(Unusable) as error:
            written(row, task, texts)
        assert str(error.value) == f"names_label: {label}: {text}"
    else:
        assert written(row, task, texts)[0].query == text


def _drawn(row: dict[str, Any], task: dict[str, Any]) -> str:
    return written(row, task, {"b": "x", "c": "x", task["labels"][0]: "x"})[0].label


def test_all_texts_are_held_to_it() -> None:
    with pytest.raises(Unusable, match="names_label: buy honey"):
        written({**ROW, "types": ["text"]}, texts={"buy honey": "I buy honey."})


def test_schemas_are_few_and_leave_the_own_label_out() -> None:
    one = classification.text_of(frozenset("ACD"))
    assert one is classification.text_of(frozenset("DCA"))
    assert schema(one)["misleading_label"] == {"enum": ["A", "C", "D"], "type": "string"}
    assert schema(classification.Task)["labels"] == {
        "items": {"type": "string"}, "maxItems": 6, "minItems": 3, "type": "array",
    }  # fmt: skip


def test_steps_are_given_exactly_the_variables_they_declare() -> None:
    declared = classification.steps(classification.Settings())
    for step, _, given in written({**ROW, "types": ["text"]})[1]:
        assert frozenset(given) == declared[step].variables
    assert declared["classification/brainstorm"].answer == {*classification.Task.model_fields}
    assert declared["classification/text"].answer == {*classification.text_of(frozenset("AB")).model_fields}


def test_settings_that_will_not_do() -> None:
    for wrong, said in (
        ({"types": {"story": {"definition": "x"}}}, "types: expected some of label, text, got story"),
        ({"by_language": {"de": {"types": {"story": {"definition": "x"}}}}}, "types: expected some of label, text"),
        ({"aspects": {"topc": 1}}, "'topc' has no definition; did you mean 'topic'?"),
        ({"aspects": {}}, "aspects: name at least one"),
        ({"aspects": {"topic": 0}}, "at least one above 0"),
        ({"choose": 2}, "less than or equal to 1"),
        ({"other_texts": 5}, "less than or equal to 4"),
    ):
        with pytest.raises(ValidationError) as error:
            classification.Settings(**wrong)
        assert said in str(error.value)


def test_the_plan_draws_a_form_for_each_row() -> None:
    settings = classification.Settings()
    drawn = [controls.draw(settings, seed, {"en": 1}) for seed in range(99)]
    assert {(row.types, bool(row.clarity), len(row.difficulties), row.words >= 8) for row in drawn} == {
        (("label",), True, 1, True), (("text",), True, 1, True),
    }  # fmt: skip


def test_templates_say_all_that_they_are_given() -> None:
    templates = prompts.load(None)
    for name, step in classification.steps(classification.Settings()).items():
        templates.check(name, *step)
    task, first, again, other, _ = (
        templates.render(step, given) for step, _, given in written({**ROW, "types": ["text"]})[1]
    )
    assert task[:-1] == first[:-1] == other[:-1]
    assert first[0].role == "system"
    assert task[-1].content.startswith(
        "Passage:\nBees dance.\n\nThink of a task that sorts short texts of this field by what kind of text they are."
    )
    about = "Field: letters to beekeepers\nTask: Tell what the sender wants\nA. complain\nB. buy honey\nC. report a swarm\nD. ask\n"
    asks = (
        ", in German, about 20 words long, in a specialist's terms, such that a second label could be meant, too. "
        "Then say which other label a hasty reader would give it."
    )
    assert first[-1].content == f"{about}\nWrite a text of A{asks}"
    earlier = f"{about}A text of A: Text 1, c.\n\nWrite a text of"
    assert again[-1].content == f"{earlier} A, on another matter and in other words{asks}"
    assert other[-1].content == f"{earlier} D, as near to the one of A as it can be{asks}"


def test_worked_examples_are_answers_that_would_be_taken() -> None:
    shown = prompts.load(None).render("classification/brainstorm", {"passage": "p", "title": "", "aspect": "a"})
    answers = [message.content for message in shown if message.role == "assistant"]
    for answer in answers[:2]:
        classification._checked(classification.Task.model_validate_json(answer, strict=True))
    for answer in answers[2:]:
        classification.text_of(frozenset("ABCDE")).model_validate_json(answer, strict=True)
    assert len(answers) == 5
