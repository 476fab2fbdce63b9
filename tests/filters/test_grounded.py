import pytest

from synth.filters.grounded import Settings, reject
from tests.rows import pair, pairs

PASSAGE = (
    "In 1843 the Norwegian painter Gandhi Müller-Lüdenscheidt sold 1,250 pictures, twelve to the World Health "
    "Organization. He died in 1898–99, aged 61.5."
)


def verdicts(*queries: str, language: str = "en", settings: Settings | None = None) -> list[str | None]:
    rows = [
        pair(query=query, passage=PASSAGE, title="Oslo, 2017", query_language=language, passage_language=language)
        for query in queries
    ]
    return reject(pairs(*rows), settings or Settings())


@pytest.mark.parametrize(
    ("query", "strange"),
    [
        ("what happened in 1998", "1998"),
        ("who sold 1,251 pictures", "1,251"),
        ("life in the 18th century", "18"),
        ("what did Edison paint", "Edison"),
        ("was he in the Rosetta Stone trade", "Rosetta Stone"),
    ],
)
def test_what_the_passage_does_not_have_is_ungrounded(query: str, strange: str) -> None:
    assert verdicts(query) == [f"ungrounded: {strange}"]


@pytest.mark.parametrize(
    "query",
    [
        "who sold 1250 pictures in the 19th century, or 1 250 in the 1840s",
        "who gave 12 away in 1899 at 61 in Oslo in 2017",
        "3 reasons why he left",
        "what did Muller Ludenscheidt's brother paint",
        "did Ghandi leave Norway",
        "what did the WHO buy in January",
        "what did he paint? Edison knows",
        "Edison was who",
        "Paintings Edison Bought",
        "did John Gandhi see the New World",
        "هل باع ١٢٥٠ لوحة",
    ],
)
def test_the_same_in_other_words_is_grounded(query: str) -> None:
    assert verdicts(query) == [None]


def test_german_capitals_are_no_names_but_its_numbers_count() -> None:
    assert verdicts("was malte er im Sommer", "was malte er 1901", language="de") == [None, "ungrounded: 1901"]


def test_other_languages_than_the_passages_are_not_judged() -> None:
    assert reject(pairs(pair(query="¿Qué hizo Edison en 1998?", query_language="es")), Settings()) == [None]


def test_either_half_can_be_switched_off() -> None:
    query = "what did Edison do in 1998"
    assert verdicts(query, settings=Settings(numbers=False)) == ["ungrounded: Edison"]
    assert verdicts(query, settings=Settings(names=False, numbers=False)) == [None]
