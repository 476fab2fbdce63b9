import pytest

from synth.steering import Decision, Spent, Tally, decide, distance
from synth.targets import Budget, Cell

NOTHING = Spent({}, {}, 0.0)
DE, EN, STS = Cell(100, "retrieval", "de"), Cell(300, "retrieval", "en"), Cell(50, "sts")


def test_a_round_plans_what_is_short_by_the_acceptance_measured() -> None:
    tallies = [Tally(DE, 100, 50, 900), Tally(EN, 300, 240, 900), Tally(STS, 50, 50, 900)]
    found = decide(tallies, Budget(), NOTHING, 1)
    # The task's acceptance is 291 / 402. 50 short at (50 + 7.24) / 110, with a margin of 4.9; 60 short at 0.7976, of 3.5.
    assert found == Decision({"retrieval/de": 106, "retrieval/en": 80}, "", {})


def test_it_stops_when_the_targets_are_met() -> None:
    assert decide([Tally(DE, 150, 100, 0), Tally(STS, 60, 55, 9)], Budget(), NOTHING, 2) == Decision(
        {}, "targets met", {}
    )


def test_it_goes_on_with_the_cells_that_have_room_and_names_the_others_at_the_end() -> None:
    short = [Tally(DE, 100, 50, 0), Tally(EN, 300, 240, 7)]
    assert decide(short, Budget(), NOTHING, 1) == Decision({"retrieval/en": 7}, "", {})
    used_up = [Tally(DE, 100, 50, 0), Tally(EN, 307, 246, 0), Tally(STS, 50, 50, 3)]
    assert decide(used_up, Budget(), NOTHING, 2) == Decision(
        {}, "corpus used up", {"retrieval/de": "corpus used up", "retrieval/en": "corpus used up"}
    )


def test_a_hopeless_cell_is_given_up_and_a_promising_one_is_not() -> None:
    assert decide([Tally(DE, 500, 0, 10**6)], Budget(), NOTHING, 3) == Decision(
        {}, "given up", {"retrieval/de": "given up: 0 of 500 accepted"}
    )
    assert decide([Tally(DE, 300, 0, 10**6)], Budget(), NOTHING, 3).rows == {"retrieval/de": 1200}  # four times as many
    assert decide([Tally(DE, 500, 0, 10**6)], Budget(min_acceptance=0), NOTHING, 3).rows == {"retrieval/de": 2000}


@pytest.mark.parametrize(
    ("budget", "spent", "rows", "stop"),
    [
        (Budget(requests=1000), Spent({"retrieval": 200}, {}, 0), 110, ""),
        (Budget(requests=300), Spent({"retrieval": 200}, {}, 0), 50, ""),
        (Budget(requests=201), Spent({"retrieval": 200}, {}, 0), None, "budget spent: 200 of 201 requests"),
        (Budget(requests=150), Spent({"retrieval": 200}, {}, 0), None, "budget spent: 200 of 150 requests"),
        (Budget(tokens=5300), Spent({}, {"retrieval": 5000}, 0), 6, ""),
        (Budget(hours=1.5), Spent({}, {}, 1.0), 50, ""),
        (Budget(hours=1.0), Spent({}, {}, 1.25), None, "budget spent: 1.25 of 1 hours"),
        (Budget(requests=300, tokens=5300), Spent({"retrieval": 200}, {"retrieval": 5000}, 0), 6, ""),
        (Budget(rounds=1), NOTHING, None, "budget spent: 1 rounds"),
    ],
)  # fmt: skip
def test_a_round_fits_what_the_budget_leaves(budget: Budget, spent: Spent, rows: int | None, stop: str) -> None:
    found = decide([Tally(DE, 100, 50, 900)], budget, spent, 1)
    assert found.stop == stop
    assert found.rows == ({"retrieval/de": rows} if rows else {})


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([(30, 30), (10, 10)], 0.0),
        ([(30, 20), (10, 20)], 0.25),
        ([(1, 0), (1, 0)], 1.0),
        ([], 0.0),
        ([(9, 3), (1, 0)], 0.1),
    ],
)
def test_distance(cells: list[tuple[int, int]], expected: float) -> None:
    assert distance(cells) == pytest.approx(expected)
