import asyncio
import random
from typing import Any

import pytest

from synth import prompts
from synth.errors import ConfigError
from synth.settings import parse
from synth.tasks import Pair, bitext

ROW: dict[str, Any] = {
    "seed": 11, "passage": "Iron rusts in damp air.", "passage_language": "en", "translation": "", "query_language": "fr",
    "types": ["negation", "degree"], "difficulties": [], "words": 20, "length": "sentence",
}  # fmt: skip
RUST = (
    "# Rust\n\nIron rusts in damp air. Salt water makes it rust faster, as every ship's crew knows.\n\nPaint keeps both "
    "off. Zinc does so, too, and rusts in its place."
)
CHINESE = "铁在潮湿的空气中会生锈。盐水会使它锈得更快，每个水手都知道。油漆可以把两者隔开。"


class Told:
    """An `ask` that takes the first option of every choice, and remembers what it was given."""

    def __init__(self, translation: str = " Le fer rouille. ", altered: str = " Iron never rusts {}. ") -> None:
        self.translation, self.altered = translation, altered
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, step: str, answer: Any, **variables: Any) -> Any:
        self.asked.append((step, variables))
        if step == "bitext/translate":
            return answer(translation=self.translation)
        return answer(type=next(iter(variables["types"])), altered=self.altered.format(len(variables["done"])))


def written(
    row: dict[str, Any], ask: Told | None = None, **settings: Any
) -> tuple[Pair, list[tuple[str, dict[str, Any]]]]:
    ask = ask or Told()
    return asyncio.run(bitext.write({**ROW, **row}, bitext.Settings(**settings), ask)), ask.asked


def test_a_sentence_is_translated_and_then_altered() -> None:
    pair, asked = written({})
    assert pair == Pair(
        query="Le fer rouille.", positive="Iron rusts in damp air.", negatives=("Iron never rusts 0.",),
        written=("query", "negatives"), type="negation",
    )  # fmt: skip
    definitions = bitext.Settings().definitions("types", "fr")
    assert asked == [
        ("bitext/translate", {"text": "Iron rusts in damp air.", "language": "French"}),
        (
            "bitext/alter",
            {
                "text": "Iron rusts in damp air.",
                "types": {"negation": definitions["negation"], "degree": definitions["degree"]},
                "language": "English",
                "done": [],
            },
        ),
    ]


def test_steps_are_given_exactly_the_variables_they_declare() -> None:
    declared = bitext.steps(bitext.Settings())
    assert {step: frozenset(given) for step, given in written({}, negatives=2)[1]} == {
        name: step.variables for name, step in declared.items()
    }


def test_the_corpus_s_own_translation_is_taken_sentence_by_sentence() -> None:
    french = "Le fer rouille à l'air humide. La peinture l'en protège."
    both = {
        "Iron rusts in damp air.": "Le fer rouille à l'air humide.",
        "Paint keeps it from doing so.": "La peinture l'en protège.",
    }
    found = {}
    for seed in range(20):
        pair, asked = written({"seed": seed, "passage": " ".join(both), "translation": french})
        assert (pair.written, [step for step, _ in asked]) == (("negatives",), ["bitext/alter"])
        found[pair.positive] = pair.query
    assert found == both


def test_translations_of_another_number_of_sentences_are_taken_whole() -> None:
    french = "Le fer rouille à l'air humide, et le sel hâte la chose. La peinture l'en protège."
    passage = "Iron rusts in damp air. Salt speeds it up. Paint keeps it from doing so."
    pair, _ = written({"passage": passage, "translation": french})
    assert (pair.positive, pair.query) == (passage, french)


def test_each_negative_is_wrong_in_another_detail() -> None:
    pair, asked = written({}, negatives=4, types={"negation": 1, "degree": 1, "roles": 1})
    assert pair.negatives == tuple(f"Iron never rusts {number}." for number in range(4))
    assert (pair.type, [list(given["types"]) for _, given in asked[1:]]) == (
        "negation", [["negation", "degree"], ["degree"], ["roles"], ["negation", "degree"]],
    )  # fmt: skip
    assert asked[-1][1]["done"] == [negative.strip() for negative in pair.negatives[:3]]


@pytest.mark.parametrize("length", ["sentence", "short"])
def test_headings_and_rests_are_left_out(length: str) -> None:
    rest = "Iron rusts in damp air. Rust. See also the page on"
    assert {
        written({"seed": seed, "passage": f"# Rust in ships\n\n{rest}", "length": length})[0].positive
        for seed in range(20)
    } == {"Iron rusts in damp air."}


@pytest.mark.parametrize("passage", ["Rust", "Rust! Rust?", "ที่นี่มีสนิม", "## Rust and how it comes about", "a"])
def test_a_passage_without_a_whole_sentence_gives_what_it_has(passage: str) -> None:
    assert written({"passage": passage})[0].positive in passage


def test_a_run_is_about_as_long_as_it_is_to_be_and_is_cut_from_the_passage_as_it_stands() -> None:
    found = {written({"seed": seed, "passage": RUST, "length": "long", "words": 20})[0].positive for seed in range(50)}
    assert found == {
        "Iron rusts in damp air. Salt water makes it rust faster, as every ship's crew knows.\n\nPaint keeps both off.",
        "Salt water makes it rust faster, as every ship's crew knows.\n\nPaint keeps both off. Zinc does so, too, and rusts in its place.",
    }
    assert all(one in RUST for one in found)


def test_one_sentence_is_taken_whatever_its_length() -> None:
    found = {
        written({"seed": seed, "passage": RUST, "length": "sentence", "words": 100})[0].positive for seed in range(50)
    }
    assert found == {
        "Iron rusts in damp air.",
        "Salt water makes it rust faster, as every ship's crew knows.",
        "Paint keeps both off.",
        "Zinc does so, too, and rusts in its place.",
    }


def test_chinese_is_cut_and_counted_without_spaces() -> None:
    row = {"passage": CHINESE, "passage_language": "zh", "query_language": "en", "words": 17, "length": "short"}
    pairs = [written({**row, "seed": seed}) for seed in range(30)]
    assert {pair.positive for pair, _ in pairs} == {
        "铁在潮湿的空气中会生锈。盐水会使它锈得更快，每个水手都知道。", "盐水会使它锈得更快，每个水手都知道。油漆可以把两者隔开。",
    }  # fmt: skip
    assert {asked[0][1]["language"] + asked[1][1]["language"] for _, asked in pairs} == {"EnglishChinese"}


def test_a_row_is_drawn_by_its_seed() -> None:
    def one(seed: int) -> Pair:
        return written({"seed": seed, "passage": RUST})[0]

    assert [one(seed) for seed in range(9)] == [one(seed) for seed in range(9)]
    assert len({one(seed).positive for seed in range(9)}) > 1


def test_empty_answers_are_returned_for_a_filter_to_judge() -> None:
    assert written({}, Told(translation=" ", altered=""))[0] == Pair(
        query="", positive="Iron rusts in damp air.", negatives=("",), written=("query", "negatives"), type="negation"
    )


def test_the_answer_s_schema_is_one_per_offer_whatever_its_order() -> None:
    one = bitext.altered_of(frozenset({"roles", "degree"}))
    assert one is bitext.altered_of(frozenset({"degree", "roles"}))
    assert one.model_json_schema()["properties"]["type"]["enum"] == ["degree", "roles"]


@pytest.mark.parametrize(
    "wrong", [{"types": {}}, {"by_language": {"fr": {"types": {}}}}, {"negatives": 0}, {"negatives": 5}]
)
def test_settings_that_leave_no_negative_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"types: name at least one|negatives"):
        parse(bitext.Settings, wrong, where="tasks.bitext")


def test_templates_say_what_is_asked_and_end_with_what_varies() -> None:
    settings, written_by = bitext.Settings(), prompts.load(None)
    steps = bitext.steps(settings)
    for name, step in steps.items():
        written_by.check(name, *step)
    types = settings.definitions("types", "en")
    given = {"text": "Iron rusts.", "language": "Welsh", "types": types, "done": ["Iron shines."]}
    turns = {name: written_by.render(name, {key: given[key] for key in step.variables}) for name, step in steps.items()}
    assert turns["bitext/translate"][:-1] == turns["bitext/alter"][:-1]
    assert all(
        turn[-1].content.startswith("Text:\nIron rusts.\n\n") and "Welsh" in turn[-1].content for turn in turns.values()
    )
    said = turns["bitext/alter"][-1].content
    assert all(f"- {name}: {definition}" in said for name, definition in types.items())
    assert "- Iron shines." in said
    alone = written_by.render("bitext/alter", {**given, "types": {"roles": "R"}, "done": []})[-1].content
    assert not {"Choose", "already"} & {*alone.split()}


@pytest.mark.parametrize("seed", range(5))
def test_any_passage_gives_neighbouring_sentences(seed: int) -> None:
    source = random.Random(seed)
    passage = " ".join(f"{'word ' * source.randint(1, 30)}end." for _ in range(source.randint(1, 12)))
    for words in (0, 5, 25, 400):
        assert written({"passage": passage, "length": "any", "words": words})[0].positive in passage
