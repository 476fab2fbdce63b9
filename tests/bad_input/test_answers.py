"""Answers that are none: each ends its row as `unparsable` or `cut_off`, and nothing else ever comes out."""
# ruff: noqa: E501 (a case is one line)

import json

import pyarrow as pa
import pytest

from synth.ask import Unanswered, parse
from synth.engines import Response
from synth.tasks.retrieval import Query, role_of

Role = role_of("ABC", frozenset(["summary", "keywords"]), frozenset(["phd"]))
GOOD = '{"query": "why do otters hold hands"}'

QUERIES = {
    "empty": ("", "Invalid JSON: EOF while parsing a value at line 1 column 0"),
    "blank": (" \n\t", "Invalid JSON: EOF while parsing a value at line 2 column 1"),
    "words": ("Sure! Here is", "Invalid JSON: expected value at line 1 column 1"),
    "fenced": (f"```json\n{GOOD}\n```", "Invalid JSON: expected value at line 1 column 1"),
    "words after": (f"{GOOD} Hope it helps", "Invalid JSON: trailing characters at line 1 column 39"),
    "two": (GOOD + GOOD, "Invalid JSON: trailing characters at line 1 column 38"),
    "token after": (f"{GOOD}<|im_end|>", "Invalid JSON: trailing characters at line 1 column 38"),
    "NUL after": (f"{GOOD}\0", "Invalid JSON: trailing characters at line 1 column 38"),
    "byte order mark": (f"\ufeff{GOOD}", "Invalid JSON: expected value at line 1 column 1"),
    "half": ('{"query": "why do', "Invalid JSON: EOF while parsing a string at line 1 column 17"),
    "no end": ('{"query": "a"', "Invalid JSON: EOF while parsing an object at line 1 column 13"),
    "single quotes": ("{'query': 'a'}", "Invalid JSON: key must be a string at line 1 column 2"),
    "no quotes": ("{query: a}", "Invalid JSON: key must be a string at line 1 column 2"),
    "trailing comma": ('{"query": "a",}', "Invalid JSON: trailing comma at line 1 column 15"),
    "comment": ('{"query": "a" /* x */}', "Invalid JSON: expected `,` or `}` at line 1 column 15"),
    "line break in a string": ('{"query": "a\nb"}', "Invalid JSON: control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0"),
    "NUL in a string": ('{"query": "a\0b"}', "Invalid JSON: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 13"),
    "bad escape": ('{"query": "\\q"}', "Invalid JSON: invalid escape at line 1 column 13"),
    "short escape": ('{"query": "\\u12"}', "Invalid JSON: invalid escape at line 1 column 16"),
    "1,000 brackets": ("[" * 1000, "Invalid JSON: recursion limit exceeded at line 1 column 202"),
    "1,000 braces": ('{"query":' * 1000, "Invalid JSON: recursion limit exceeded at line 1 column 1810"),
    "brackets inside": ('{"query": ' + "[" * 1000 + "]" * 1000 + "}", "Invalid JSON: recursion limit exceeded at line 1 column 211"),
    "1 MB of brackets": ("[" * 1_000_000, "Invalid JSON: recursion limit exceeded at line 1 column 202"),
    "1 MB of blanks": (" " * 1_000_000, "Invalid JSON: EOF while parsing a value at line 1 column 1000000"),
    "1 MB of digits": ("1" * 1_000_000, "Invalid JSON: number out of range at line 1 column 4302"),
    "lone surrogate": ('{"query": "\\ud800"}', "Invalid JSON: unexpected end of hex escape at line 1 column 18"),
    "turned surrogates": ('{"query": "\\udc00\\ud800"}', "Invalid JSON: lone leading surrogate in hex escape at line 1 column 17"),
    "raw lone surrogate": ('{"query": "\ud800"}', "Input should be a valid string, unable to parse raw data as a unicode string"),
    "raw lone surrogate around": ("\udfff", "Input should be a valid string, unable to parse raw data as a unicode string"),
    "null": ("null", "Input should be an object"),
    "number": ("7", "Input should be an object"),
    "NaN": ("NaN", "Input should be an object"),
    "infinity": ("-Infinity", "Input should be an object"),
    "string": ('"why"', "Input should be an object"),
    "list": (f"[{GOOD}]", "Input should be an object"),
    "JSON in a string": (json.dumps(GOOD), "Input should be an object"),
    "empty object": ("{}", "query: Field required"),
    "other key": ('{"question": "a"}', "query: Field required"),
    "other case": ('{"Query": "a"}', "query: Field required"),
    "invisible in the key": ('{"query\u200b": "a"}', "query: Field required"),
    "one key more": ('{"query": "a", "why": 1}', "why: Extra inputs are not permitted"),
    "null query": ('{"query": null}', "query: Input should be a valid string"),
    "number as query": ('{"query": 7}', "query: Input should be a valid string"),
    "NaN as query": ('{"query": NaN}', "query: Input should be a valid string"),
    "boolean as query": ('{"query": true}', "query: Input should be a valid string"),
    "list as query": ('{"query": ["a"]}', "query: Input should be a valid string"),
    "nested": ('{"query": {"query": "a"}}', "query: Input should be a valid string"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "detail"), QUERIES.values(), ids=QUERIES)
def test_what_is_no_query_is_unparsable(text: str, detail: str) -> None:
    with pytest.raises(Unanswered) as end:
        parse(Response(text, "stop"), Query)
    assert (end.value.status, end.value.reason) == ("rejected", "unparsable")
    assert end.value.detail.startswith(detail)
    pa.array([end.value.detail], pa.string())  # it goes into a table


ROLE = {"character": "A", "question_type": "summary", "difficulty": "phd"}
ROLES = {
    "strange letter": ({"character": "D"}, "character: Input should be 'A', 'B' or 'C'"),
    "small letter": ({"character": "a"}, "character: Input should be 'A', 'B' or 'C'"),
    "two letters": ({"character": "AB"}, "character: Input should be 'A', 'B' or 'C'"),
    "letter in a list": ({"character": ["A"]}, "character: Input should be 'A', 'B' or 'C'"),
    "number": ({"character": 0}, "character: Input should be 'A', 'B' or 'C'"),
    "not offered": ({"question_type": "background"}, "question_type: Input should be 'keywords' or 'summary'"),
    "blank around": ({"question_type": " summary"}, "question_type: Input should be 'keywords' or 'summary'"),
    "null": ({"difficulty": None}, "difficulty: Input should be 'phd'"),
    "object": ({"difficulty": {"phd": 1}}, "difficulty: Input should be 'phd'"),
    "more": ({"reason": "x"}, "reason: Extra inputs are not permitted"),
}


@pytest.mark.parametrize(("change", "detail"), ROLES.values(), ids=ROLES)
def test_a_role_that_was_not_offered_is_unparsable(change: dict[str, object], detail: str) -> None:
    with pytest.raises(Unanswered) as end:
        parse(Response(json.dumps(ROLE | change), "stop"), Role)
    assert (end.value.status, end.value.reason, end.value.detail) == ("rejected", "unparsable", detail)


TAKEN = {
    "white space around": (f"\n {GOOD}\r\n", "why do otters hold hands"),
    "escapes": ('{"query": "caf\\u00e9 \\ud83e\\udda6"}', "café 🦦"),
    "escaped key": ('{"qu\\u0065ry": "a"}', "a"),
    "NUL escaped": ('{"query": "a\\u0000b"}', "a\0b"),  # a filter's affair: `debris`
    "last of two": ('{"query": "a", "query": "b"}', "b"),
    "1 MB": (json.dumps({"query": "x" * 1_000_000}), "x" * 1_000_000),
    "empty query": ('{"query": ""}', ""),
}


@pytest.mark.parametrize(("text", "query"), TAKEN.values(), ids=TAKEN)
def test_what_is_an_answer_all_the_same(text: str, query: str) -> None:
    assert parse(Response(text, "stop"), Query) == Query(query=query)
    pa.array([query], pa.string())


@pytest.mark.parametrize("text", [GOOD, "", "[" * 1000, '{"query": "\ud800"}'])
def test_what_ran_into_the_limit_is_cut_off_whatever_it_says(text: str) -> None:
    with pytest.raises(Unanswered) as end:
        parse(Response(text, "length", output_tokens=48), Query)
    assert (end.value.status, end.value.reason, end.value.detail) == ("rejected", "cut_off", "48 tokens")
