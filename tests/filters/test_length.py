from synth.filters.length import Settings, reject
from tests.rows import pair, pairs


def test_words_are_counted_by_white_space() -> None:
    rows = [pair(query=query) for query in ("", " ?! ", "Who", "photosynthesis steps", "a b c d e f g h i j k l m n")]
    assert reject(pairs(*rows), Settings(asked_times=1)) == [
        "empty",
        "empty",
        "too_short: 1 of at least 2 words",
        None,
        "too_long: 14 of at most 11 words",
    ]


def test_letters_of_scripts_without_spaces_are_parts_of_words() -> None:
    rows = [
        pair(query="水", query_language="zh"),
        pair(query="光合作用", query_language="zh"),
        pair(query="東京タワー"),
    ]
    assert reject(pairs(*rows), Settings()) == ["too_short: 1 of at least 2 words", None, None]


def test_the_limit_follows_what_was_asked_for_up_to_a_maximum() -> None:
    long = " ".join(["word"] * 30)
    rows = [pair(query=long, words=words) for words in (0, 5, 8, 25)]
    assert reject(pairs(*rows), Settings()) == [None, "too_long: 30 of at most 21 words", None, None]
    rows = [pair(query=long, words=words) for words in (13, 20, 19)]
    assert reject(pairs(*rows), Settings(max_words=20)) == [
        "too_long: 30 of at most 20 words", None, "too_long: 30 of at most 28 words"
    ]  # fmt: skip
