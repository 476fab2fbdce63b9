import pytest

from synth.filters.repetitive import Settings, reject
from tests.rows import pair, pairs

REJECTED = {
    "is a guru, and is a guru, and is a guru": "3 x a guru",
    "Climate Change, Arctic, Arctic Tides, melting Arctic Tides, Arctic Tides, Polar Ice Cap": "3 x arctic tides",
    "music for the 1998–2002 NBC re-imagined the music of the 1998–2002 network's 1998–2002 revival": "3 x 1998 2002",
    "how the average household size affects the average household size": "2 x the average household size",
    "the difference between a Turing machine and a Turing machine": "a turing machine and a turing machine",
    "why why why is it": "3 of 5 words distinct",
    "a b a c a b a c a d b c": "4 of 12 words distinct",
    "什么是法律什么是法律什么是法律": "3 x 什么是",
}
PASSED = [
    "What year did the University of Chicago become a rival of the University of Illinois?",
    "What is the name of the bridge that joins parts of the campus of the Charles River?",
    "why do more and more people move to the city",
    "Who is Duran Duran?",
    "New York, New York lyrics",
    "联合卫理公会在什么时候呼吁联合卫理公会教徒戒酒？",
]


@pytest.mark.parametrize(("query", "seen"), REJECTED.items())
def test_loops_are_rejected(query: str, seen: str) -> None:
    assert reject(pairs(pair(query=query)), Settings()) == [f"repetitive: {seen}"]


@pytest.mark.parametrize("query", PASSED)
def test_people_repeat_themselves_a_little(query: str) -> None:
    assert reject(pairs(pair(query=query)), Settings()) == [None]
