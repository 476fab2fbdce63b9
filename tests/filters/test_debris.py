import pytest

from synth.filters.debris import Settings, reject
from tests.rows import pair, pairs

REJECTED = {
    "who was Tesla<|im_end|>": "<|im_end|>",
    "who was Tesla</s>": "</s>",
    "[INST] who was Tesla": "[INST]",
    "Why did Tesla become famous?}user": "}user",
    "who was Tesla? assistant: an inventor": "? assistant:",
    "who was {{ name }}": "{{",
    '{"query": "who was Tesla"}': "{",
    "who was <b>Tesla</b>": "<b>",
    "see https://example.org for Tesla": "https://",
    "who was &quot;Tesla": "&quot;",
    'who said "I am Tesla': 'unbalanced "',
    "wer sagte „ich bin Tesla": "unbalanced quotes",
    "who was Tesla (the inventor": "unbalanced ()",
    "《西游记的作者": "unbalanced 《》",
    "who was\x07 Tesla": "U+0007",
    "who was \u202eTesla": "U+202E",
    "... in the final summary": "begins in the middle: ..",
    ", and who was Tesla?": "begins in the middle: ,",
    "was the first to fly over the sea": "begins in the middle: was",
    "Tesla, Edison,": "ends in the middle: ,",
    "the popular translation...": "ends in the middle: ..",
    "Amy's favourite song is a version of": "ends in the middle: of",
    "How did the U.N. decide to use the term": "ends in the middle: use the term",
    "Why did the": "ends in the middle: the",
    " ".join(["word"] * 19): "ends without a mark",
}
PASSED = [
    "who did Tesla work for",
    "What is it made of?",
    'What is a 5" screen?',
    'Who said "I am Tesla"?',
    "wer sagte „ich bin Tesla“",
    "C++ or C#",
    ".NET runtime",
    "the Who",
    "where is Portland, OR",
    "Solar system: an overview of the planets",
    "hepatitis a",
    "👩‍🚀 in space",
    "‏ما اسم النهر؟",
    "می‌خواهم بدانم چرا",
    "was it cold?",
]


@pytest.mark.parametrize(("query", "seen"), REJECTED.items())
def test_debris_is_rejected(query: str, seen: str) -> None:
    assert reject(pairs(pair(query=query)), Settings()) == [f"debris: {seen}"]


@pytest.mark.parametrize("query", PASSED)
def test_what_people_type_passes(query: str) -> None:
    assert reject(pairs(pair(query=query)), Settings()) == [None]


@pytest.mark.parametrize(
    ("language", "query", "last"),
    [
        ("de", "die Ursachen und die Folgen der", "der"),
        ("de", "die Ursachen und die Folgen dem", "dem"),
        ("de", "wann führte man das ein", None),
        ("es", "la historia de la ley de", "de"),
        ("es", "de qué trata y por qué", None),
        ("fr", "la cause et le", "le"),
        ("pt", "a história da", "da"),
        ("it", "la storia della", "della"),
        ("ar", "تاريخ الحرب في", "في"),
        ("zh", "战争的历史，", "，"),
        ("fi", "sodan historia ja", None),
    ],
)
def test_each_language_has_words_that_end_nothing(language: str, query: str, last: str | None) -> None:
    expected = last and f"debris: ends in the middle: {last}"
    assert reject(pairs(pair(query=query, query_language=language)), Settings()) == [expected]


def test_one_may_ask_about_code_that_the_passage_has() -> None:
    rows = [pair(query="what does <div> {} do in it", passage=passage) for passage in ("A <div> in {}", "Otters")]
    assert reject(pairs(*rows), Settings()) == [None, "debris: <div>"]


def test_a_yes_no_question_may_begin_small_and_lack_its_mark() -> None:
    rows = [pair(query="was the first flight in France", type=type) for type in ("yes_or_no", "background")]
    assert reject(pairs(*rows), Settings()) == [None, "debris: begins in the middle: was"]


def test_keywords_and_long_queries_that_were_asked_for_need_no_mark() -> None:
    query = " ".join(["word"] * 20)
    rows = [pair(query=query, type="keywords"), pair(query=query, words=20), pair(query=f"{query}?")]
    assert reject(pairs(*rows), Settings()) == [None, None, None]
