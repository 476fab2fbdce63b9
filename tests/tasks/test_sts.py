import asyncio
from collections import Counter
from typing import Any

import pytest

from synth import prompts
from synth.controls import TaskScore
from synth.errors import ConfigError
from synth.settings import parse
from synth.tasks import Pair, sts
from synth.text import count_words

ROW: dict[str, Any] = {
    "seed": 11, "passage": "Iron rusts in damp air.", "passage_language": "en", "translation": "", "query_language": "en",
    "types": ["sentence"], "difficulties": ["university"], "words": 0, "length": "",
}  # fmt: skip
LONG = " ".join(
    f"This is sentence number {number} of a passage that goes on and on for a while." for number in range(9)
)
ONE_EACH: dict[str, Any] = {"high": {"5": 1, "4.5": 0}, "low": {"3": 1}}


class Told:
    """An `ask` that remembers what it was given."""

    def __init__(self, text: str = " {} ") -> None:
        self.text = text
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, step: str, answer: Any, **variables: Any) -> Any:
        self.asked.append((step, variables))
        return answer(**{name: self.text.format(f"The {name}.") for name in answer.model_fields})


def written(
    row: dict[str, Any], ask: Told | None = None, **settings: Any
) -> tuple[Pair, list[tuple[str, dict[str, Any]]]]:
    ask = ask or Told()
    return asyncio.run(sts.write({**ROW, **row}, sts.Settings(**settings), ask)), ask.asked


def test_two_texts_are_written_for_a_sentence() -> None:
    pair, asked = written({}, **ONE_EACH)
    assert pair == Pair(
        query="Iron rusts in damp air.", positive="The similar.", negatives=("The less_similar.",),
        written=("positive", "negatives"), type="sentence", difficulty="university",
        similarity=5.0, negative_similarities=(3.0,),
    )  # fmt: skip
    settings = sts.Settings()
    assert asked == [
        (
            "sts/pair",
            {
                "text": "Iron rusts in damp air.", "language": "English", "unit": "one sentence", "words": 5,
                "difficulty": settings.difficulties["university"].definition,
                "high": "5", "high_means": settings.high["5"].definition,
                "low": "3", "low_means": settings.low["3"].definition,
            },
        )
    ]  # fmt: skip


def test_a_phrase_is_the_model_s() -> None:
    pair, asked = written(
        {"types": ["phrase"], "query_language": "fr", "passage_language": "fr", "difficulties": []}, **ONE_EACH
    )
    assert pair == Pair(
        query="The phrase.", positive="The similar.", negatives=("The less_similar.",),
        written=("query", "positive", "negatives"), type="phrase", similarity=5.0, negative_similarities=(3.0,),
    )  # fmt: skip
    assert asked[0] == ("sts/phrase", {"text": "Iron rusts in damp air.", "language": "French"})
    assert (asked[1][1]["text"], asked[1][1]["difficulty"]) == ("The phrase.", "")


def test_steps_are_given_exactly_the_variables_they_declare() -> None:
    declared = sts.steps(sts.Settings())
    assert {step: frozenset(given) for step, given in written({"types": ["phrase"]})[1]} == {
        name: step.variables for name, step in declared.items()
    }


def test_a_short_passage_is_taken_whole_and_of_a_long_one_some_sentences() -> None:
    short = "Iron rusts in damp air. Salt water makes it rust faster."
    assert written({"types": ["passage"], "passage": short})[0].query == short
    found = {written({"types": ["passage"], "passage": LONG, "seed": seed})[0].query for seed in range(60)}
    assert all(one in LONG and one.startswith("This") and one.endswith("while.") for one in found)
    assert {one.count("This") for one in found} == {2, 3, 4}
    assert max(map(count_words, found)) <= sts.MOST_WORDS


def test_one_endless_sentence_is_a_passage_too() -> None:
    endless = "word " * 200 + "end."
    assert written({"types": ["passage"], "passage": endless})[0].query == endless


@pytest.mark.parametrize("unit", ["sentence", "passage"])
def test_headings_and_rests_are_left_out(unit: str) -> None:
    row = {"types": [unit], "passage": "# Rust in ships\n\nIron rusts in damp air. See also the page on"}
    assert {written({**row, "seed": seed})[0].query for seed in range(20)} == {"Iron rusts in damp air."}


def test_chinese_is_cut_without_spaces() -> None:
    passage = "铁在潮湿的空气中会生锈。盐水会使它锈得更快，每个水手都知道。"
    row = {"passage": passage, "passage_language": "zh", "query_language": "zh"}
    pairs = [written({**row, "seed": seed}) for seed in range(20)]
    assert {pair.query: asked[0][1]["words"] for pair, asked in pairs} == {passage[:12]: 7, passage[12:]: 10}
    assert {asked[0][1]["language"] for _, asked in pairs} == {"Chinese"}


def test_scores_are_drawn_by_weight_and_seed() -> None:
    grades: dict[str, Any] = {
        "high": {"5": 3, "4": 1},
        "low": {"3.5": 1, "1": {"weight": 1, "definition": "has the topic in common"}},
    }
    pairs = [written({"seed": seed}, **grades)[0] for seed in range(400)]
    assert pairs == [written({"seed": seed}, **grades)[0] for seed in range(400)]
    drawn = Counter(pair.similarity for pair in pairs)
    assert {pair.negative_similarities for pair in pairs} == {(3.5,), (1.0,)}
    assert 250 < drawn[5.0] < 350
    assert drawn[4.0] == 400 - drawn[5.0]


def test_empty_answers_are_returned_for_a_filter_to_judge() -> None:
    pair, _ = written({"types": ["phrase"]}, Told(" "))
    assert (pair.query, pair.positive, pair.negatives) == ("", "", ("",))


def test_the_positive_must_be_nearer_by_default() -> None:
    assert sts.Settings().score == TaskScore(min_margin=0.0)
    assert parse(sts.Settings, {"score": {"min_cosine": 0.3}}, where="").score == TaskScore(min_cosine=0.3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"types": {"chapter": {"definition": "a chapter"}}},
            "expected some of sentence, phrase, passage, got chapter",
        ),
        ({"types": {}}, "types: name at least one"),
        ({"by_language": {"de": {"types": {"book": {"definition": "a book"}}}}}, "got book"),
        ({"high": {}}, "high: name at least one"),
        ({"high": {"6": {"definition": "more than the same"}}}, "scores from 0 to 5"),
        ({"low": {"few": {"definition": "little"}}}, "scores from 0 to 5"),
        ({"low": {"4": {"definition": "nearly the same"}}}, "must be above"),
        ({"high": {"5": 0}}, "at least one above 0"),
        ({"high": {"4.7": 1}}, "has no definition"),
        ({"choose": 2}, "choose"),
    ],
)
def test_controls_that_cannot_be_meant_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(sts.Settings, wrong, where="tasks.sts")


def test_templates_say_what_is_asked_and_end_with_what_varies() -> None:
    settings, written_by = sts.Settings(), prompts.load(None)
    steps = sts.steps(settings)
    for name, step in steps.items():
        written_by.check(name, *step)
    given = {
        "text": "Iron rusts.", "language": "Welsh", "unit": settings.types["passage"].definition, "words": 417,
        "difficulty": settings.difficulties["phd"].definition, "high": "4.5", "high_means": settings.high["4.5"].definition,
        "low": "2.5", "low_means": settings.low["2.5"].definition,
    }  # fmt: skip
    turns = {name: written_by.render(name, {key: given[key] for key in step.variables}) for name, step in steps.items()}
    assert turns["sts/phrase"][:-1] == turns["sts/pair"][:-1]
    assert all(
        turn[-1].content.startswith("Text:\nIron rusts.\n\n") and "Welsh" in turn[-1].content for turn in turns.values()
    )
    assert all(str(value) in turns["sts/pair"][-1].content for value in given.values())


def test_worked_examples_have_the_default_definitions() -> None:
    shown = "\n".join(turn.content for turn in prompts.load(None).render("sts/phrase", {"text": "", "language": ""}))
    settings = sts.Settings()
    assert all(option.definition in shown for option in settings.types.values())
    grades = [(name, option.definition) for name, option in (settings.high | settings.low).items()]
    assert all(f"({name} of 5) {definition}" in shown for name, definition in grades)
