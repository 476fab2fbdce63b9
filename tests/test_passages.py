"""Cutting loses no word and keeps to the budget; cleaning is done once and for all."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.passages import clean, estimate_tokens, split

MESSY = st.text(
    st.one_of(
        st.sampled_from(
            "aZ é\n\n\t.。!?؟।,\"'“”(«»#1- \u00a0\u200b\u200c\u200d\u0301\u0e33\u094d\u3000\ufeff\u202e中文カ한😀\ud800\0"
        ),
        st.characters(),
    ),
    max_size=400,
)


@pytest.mark.parametrize(
    ("language", "tokens", "pieces"),
    [
        ("en", 16, []),
        ("en", 16, ["Short."]),
        # Paragraphs first.
        ("en", 9, ["Aaaa bbbb cccc. Dddd eeee.", "Ffff gggg hhhh. Iiii jjjj."]),
        # Sentences next, evenly; no sentence ends at Dr. or 3. Mai.
        ("en", 11, ["Dr. Smith came at nine.", "Mr. Jones left at once. Nobody saw."]),
        ("de", 12, ["Am 3. Mai kam Herr Dr. Maier.", "Er ging um zehn wieder."]),
        ("zh", 15, ["今天天气很好。", "我们去公园吧！你想去吗？"]),
        ("ar", 14, ["كيف حالك اليوم يا صديقي؟", "أنا بخير والحمد لله."]),
        ("hi", 14, ["यह पहला वाक्य है।", "यह दूसरा वाक्य है।"]),
        # A sentence over the budget: at white space, or anywhere where there is none.
        ("en", 14, ["one two three four five six", "seven eight nine ten eleven twelve"]),
        ("zh", 14, ["这是没有标点的很长", "的一段文字没有空格"]),
    ],
)
def test_where_it_cuts(language: str, tokens: int, pieces: list[str]) -> None:
    text = ("\n\n" if "Aaaa" in str(pieces) else "" if language == "zh" else " ").join(pieces)
    assert split(text, tokens, language) == pieces


def test_the_rest_is_not_tiny() -> None:
    assert [estimate_tokens(piece) for piece in split("One two three four. " * 21, 50)] == [35, 35, 35]


def test_a_heading_stays_with_its_text() -> None:
    text = "Intro text that stands alone here.\n\n# Heading\n\nWhat the heading is about, at length."
    assert split(text, 16) == [
        "Intro text that stands alone here.",
        "# Heading\n\nWhat the heading is about, at length.",
    ]


@given(
    MESSY.map(lambda text: text.encode(errors="ignore").decode()),
    st.integers(1, 60),
    st.sampled_from(["en", "de", "zh", "ar", "hi", "th", "und"]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_word_is_lost_and_each_piece_fits(text: str, budget: int, language: str) -> None:
    pieces = split(text, budget, language)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    for piece in pieces:
        assert piece == piece.strip() != ""
        assert estimate_tokens(piece) <= budget or len(split(piece, 1)) == 1


@given(
    st.lists(st.sampled_from(["alpha", "beta", "gamma.", "delta\n\n", "Epsilon!"]), max_size=200), st.integers(4, 50)
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_words_stay_whole(words: list[str], budget: int) -> None:
    text = " ".join(words)
    assert " ".join(split(text, budget)).split() == text.split()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a \t b\u00a0\u3000c  ", "a b c"),
        ("a\r\nb\rc\u2028d\u2029e", "a\nb\nc\nd\n\ne"),
        ("a \n \n\n\n b", "a\n\nb"),
        ("e\u0301 Å", "é Å"),
        ("a\0b\x07c\x1b[0m", "abc[0m"),
        ("ze\u200bro \ufeffwidth so\xadft", "zero width soft"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("hid\U000e0041\U000e0042den", "hidden"),
        ("\ud83dhalf", "half"),
        ("می\u200cخواهم x\u200cy \u200dz", "می\u200cخواهم xy z"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(MESSY)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert once.encode().decode() == once


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("word", 1), ("words", 2), ("1234", 4), ("光合作用", 4), ("тест", 2), ("한국어", 2), ("😀", 2)],
)
def test_estimate(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_a_long_line_of_open_quotes_takes_no_time() -> None:
    assert len(split("(“«. " * 40_000, 350)) > 100


@given(MESSY, st.integers(1, 60), st.sampled_from(["en", "zh", "ar", "xx", ""]))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_text_that_was_cleaned_can_be_split(text: str, budget: int, language: str) -> None:
    cleaned = clean(text)
    pieces = split(cleaned, budget, language)
    assert "".join("".join(pieces).split()) == "".join(cleaned.split())
    assert all(estimate_tokens(piece) <= budget or len(split(piece, 1)) == 1 for piece in pieces)


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        "蜜",
        "1",
        "\n",
        "a\n",
        "\u0627\u200d",
        "👩\u200d",
        "a\u0301",
        '"(',
        "# a\n",
        "a \n \n",
        "```\n",
        "\u200b",
        "a.",
        "-",
    ],
)
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    """1 µs for each character to split, and 0.5 µs to clean; ten times that is allowed. A square would be 1,000 times."""
    text = unit * (200_000 // len(unit))
    started = time.process_time()
    split(clean(text), 350, "en")
    assert time.process_time() - started < 10 * 0.3


@pytest.mark.parametrize("unit", ["\u0627\u200d", "👩\u200d", "x\u200c"])
def test_joiners_are_cleaned_in_linear_time(unit: str) -> None:
    """0.5 s for a million characters; when each joiner copied what came before it, 9 s."""
    started = time.process_time()
    assert len(clean(unit * 500_000)) in (500_000, 999_999)
    assert time.process_time() - started < 4
