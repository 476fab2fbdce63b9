import json

from synth.filters.parrots import Settings, reject
from tests.rows import pair, pairs

EXAMPLES = [
    json.dumps({"character": "B", "question_type": "keywords"}),
    json.dumps({"query": "How did scholars learn to read Egyptian hieroglyphs?"}),
    json.dumps({"query": "Why does sourdough rise slowly in a cold kitchen?"}),
    json.dumps({"query": "学者们是如何学会阅读埃及象形文字的？"}, ensure_ascii=False),
    "Was the Rosetta Stone written in Greek?",
]


def verdicts(*queries: str, passage: str = "Tesla was an inventor.") -> list[str | None]:
    return reject(pairs(*(pair(query=query, passage=passage, examples=EXAMPLES) for query in queries)), Settings())


def test_the_example_itself_and_its_near_copies_are_rejected() -> None:
    example = "parrots_example: How did scholars learn to read Egyptian hieroglyphs?"
    assert verdicts(
        "how did scholars learn to read egyptian hieroglyphs",
        "How did a scholar learn to read the Egyptian hieroglyphs in 1822?",
        "学者们是如何学会阅读埃及象形文字的",
        "was the rosetta stone written in greek",
    ) == [example, example, "parrots_example: 学者们是如何学会阅读埃及象形文字的？", f"parrots_example: {EXAMPLES[-1]}"]


def test_a_new_subject_in_an_old_example_is_still_the_example() -> None:
    assert (
        verdicts(
            "Why does Tesla rise slowly in a cold kitchen?",
            "What makes alternating current rise slowly in a cold kitchen",
        )
        == ["parrots_example: Why does sourdough rise slowly in a cold kitchen?"] * 2
    )


def test_the_form_of_an_example_is_anyones() -> None:
    queries = ("Was the Magna Carta written in Latin?", "How did Tesla learn to speak eight languages?", "keywords")
    assert verdicts(*queries) == [None, None, None]


def test_a_passage_on_the_examples_subject_may_be_asked_it() -> None:
    passage = "How scholars came to read hieroglyphs: Champollion, an Egyptian grammar in hand, had to learn Coptic."
    assert verdicts("How did scholars learn to read Egyptian hieroglyphs?", passage=passage) == [None]
