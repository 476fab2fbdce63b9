from typing import Any

import pytest

from synth.filters.repeats import Settings, reject
from tests.rows import pair, pairs


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({}, None),
        ({"query": "Otters sleep", "positive": "otters sleep!"}, "repeats_query: otters sleep!"),
        ({"written_negatives": ["Otters eat.", "OTTERS sleep, holding hands"]}, "repeats_positive: OTTERS sleep, holding hands"),
        ({"query": "how do they sleep", "written_negatives": ["How do they sleep?"]}, "repeats_query: How do they sleep?"),
        ({"written_negatives": ["Otters sleep holding feet."]}, None),
        (
            {"query": "The otters, brown and tired, sleep.", "positive": "Brown and tired", "written": ["positive"]},
            "repeats_query: Brown and tired",
        ),
        ({"query": "how do otters, brown and tired, sleep", "positive": "Brown and tired"}, None),
        ({"query": "水獭睡觉", "positive": "水獭睡觉。"}, "repeats_query: 水獭睡觉。"),
    ],
)  # fmt: skip
def test_texts_of_a_row_differ(row: dict[str, Any], verdict: str | None) -> None:
    assert reject(pairs(pair(**row)), Settings()) == [verdict]
