"""How many requests a server gets at once: simulated servers, with a clock of their own and seeded noise."""

import heapq
import random
from collections import deque

import pytest

from synth.engines._window import Window


def play(places: int, seconds: float, *, limit: int | None = None, answers: int = 20_000) -> tuple[int, int, int]:
    """Feed a server that computes `places` requests at once, and refuses more than `limit`. Return the least and the greatest
    window of the second half, and how many requests were refused."""
    window, draw, now, held = Window(1024), random.Random(1), 0.0, 0
    busy: list[tuple[float, int, float, bool]] = []
    inside, waiting = 0, deque[float]()
    seen, refused, number = list[int](), 0, 0
    while len(seen) < answers:
        while held < int(window.size):
            held, number = held + 1, number + 1
            window.holds(held)
            if limit and held > limit:
                heapq.heappush(busy, (now + 0.001, number, now, False))
            elif inside < places:
                inside += 1
                heapq.heappush(busy, (now + seconds * draw.uniform(0.6, 1.4), number, now, True))
            else:
                waiting.append(now)
        now, _, asked, answered = heapq.heappop(busy)
        held -= 1
        if answered:
            if waiting:
                number += 1
                heapq.heappush(busy, (now + seconds * draw.uniform(0.6, 1.4), number, waiting.popleft(), True))
            else:
                inside -= 1
            window.answered(now)
        else:
            refused += 1
            window.refused(now, asked)
        seen.append(int(window.size))
    return min(seen[answers // 2 :]), max(seen[answers // 2 :]), refused


@pytest.mark.parametrize("places", [32, 64, 100, 256])
def test_it_settles_where_more_at_once_brings_no_more(places: int) -> None:
    least, most, refused = play(places, 1.0)
    assert places <= least <= most <= 4 * places
    assert refused == 0


@pytest.mark.parametrize("limit", [20, 100])
def test_it_stays_below_what_is_refused(limit: int) -> None:
    least, most, refused = play(10**6, 0.5, limit=limit)
    assert 0.4 * limit < least <= most <= 1.05 * limit + 1
    assert refused < 50


def test_a_server_that_never_tires_gets_all_there_is() -> None:
    assert play(10**6, 0.05) == (1024, 1024, 0)


def test_a_server_that_has_too_little_to_do_says_nothing() -> None:
    window = Window(1024)
    for now in range(1000):
        window.holds(31)
        window.answered(float(now))
    assert window.size == 32


def test_answers_that_come_all_at_once_let_it_grow_as_well() -> None:
    """A server that takes 50 ms for each: what was asked together is answered together, and asked anew a moment later."""
    window, now = Window(256), 0.0
    for _ in range(12):
        asked = int(window.size)
        for held in range(asked):
            window.holds(held + 1)
        now += 0.05
        for _ in range(asked):
            window.answered(now)
    assert window.size == 256


def test_one_cut_answers_for_all_that_were_under_way() -> None:
    window = Window(1024)
    for _ in range(5):
        window.refused(now=10.0, asked=9.0)
    window.refused(now=12.0, asked=11.0)
    assert window.size == 32 * 0.6 * 0.6
