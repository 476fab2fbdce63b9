from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import config, schemas
from synth.settings import parse
from synth.stages import plan


def settings(**retrieval: Any) -> config.Config:
    return parse(
        config.Config,
        {
            "name": "t",
            "seed": 3,
            "corpus": {"path": str(Path(__file__))},
            "tasks": {"retrieval": retrieval},
            "engine": {"kind": "scripted"},
            "embedder": {"kind": "hashing"},
        },
        where="",
    )


def passage(name: str, **changes: Any) -> dict[str, Any]:
    row = {
        "id": name, "document_id": f"d-{name}", "source": "f:1", "title": "T", "text": f"text of {name}", "language": "de",
        "tokens": 3, "status": "ok", "reason": None, "detail": None, "personas": ["x", "y"], "embedding": [1.0],
    }  # fmt: skip
    return {**row, **changes}


def planned(rows: list[dict[str, Any]], made: config.Config) -> pa.Table:
    return plan.plan(schemas.table(schemas.PERSONAS, rows), None, config=made)


def test_each_passage_in_the_running_becomes_the_rows_of_its_task() -> None:
    one_length = {"medium": {"words": [8, 8]}}
    rows = planned(
        [passage("a"), passage("b", status="rejected", reason="duplicate")],
        settings(queries_per_passage=2, lengths=one_length),
    ).to_pylist()
    common = {
        "task": "retrieval", "passage_id": "a", "document_id": "d-a", "source": "f:1", "title": "T", "passage": "text of a",
        "passage_language": "de", "query_language": "de", "length": "medium", "words": 8, "personas": ["x", "y"],
    }  # fmt: skip
    assert rows == [
        {"id": schemas.stable_id("row", 3, "retrieval", "a", n), "ordinal": n, "seed": row["seed"], **common}
        for n, row in enumerate(rows)
    ]
    assert len({row["seed"] for row in rows}) == len(rows) == 2


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    made = settings(queries_per_passage=2)
    alone = planned([passage("b")], made).to_pylist()
    assert planned([passage("a"), passage("b")], made).to_pylist()[2:] == alone


def test_query_languages_are_drawn_by_weight() -> None:
    made = settings(queries_per_passage=300, query_languages={"en": 3, "fr": 1, "es": 0})
    drawn = planned([passage("a")], made).column("query_language").to_pylist()
    assert set(drawn) == {"en", "fr"}
    assert 0.65 < drawn.count("en") / 300 < 0.85
