from pathlib import Path

from synth import config, schemas
from synth.stage import Stage
from synth.stages import filter
from tests.rows import pair


def test_the_first_reason_is_kept_and_rows_that_are_out_stay_as_they_are() -> None:
    made = config.parse(
        config.Config,
        {
            "name": "t",
            "corpus": {"path": str(Path(__file__))},
            "tasks": {"retrieval": {}},
            "engine": {"kind": "scripted"},
            "embedder": {"kind": "hashing"},
        },
        where="",
    )
    rows = schemas.table(
        schemas.PAIRS,
        [
            pair(id="a", query="how do otters sleep", type="acquire_knowledge"),
            pair(id="b", query="What does the passage say about otters?", type="acquire_knowledge"),
            pair(id="c", query="", status="rejected", reason="cut_off", detail="48 tokens"),
        ],
    )
    judged = filter.stage(made, Stage(name="generate", does="", writes=schemas.PAIRS)).fn(rows, None)
    found = schemas.conform(judged, schemas.PAIRS).select(["id", "status", "reason"]).to_pylist()  # type: ignore[arg-type]
    assert found == [
        {"id": "a", "status": "ok", "reason": None},
        {"id": "b", "status": "rejected", "reason": "refers_to_passage"},
        {"id": "c", "status": "rejected", "reason": "cut_off"},
    ]
