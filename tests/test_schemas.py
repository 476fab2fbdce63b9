import pyarrow as pa
import pytest

from synth import schemas

STATES = pa.schema([pa.field("id", pa.string(), nullable=False), *schemas.STATE])


def rows(*states: tuple[str, str, str | None, str | None]) -> pa.Table:
    return schemas.table(STATES, [dict(zip(STATES.names, state, strict=True)) for state in states])


def test_ids_and_seeds_are_the_same_for_ever() -> None:
    assert schemas.stable_id("row", 7, "retrieval") == "3cdd457fd9dad2482743"
    assert schemas.stable_id("a", "bc") != schemas.stable_id("ab", "c")
    assert schemas.stable_seed("row", 7, "retrieval") == int("3cdd457fd9dad2482743", 16) & 0x7FFF_FFFF


def test_the_first_reason_stays() -> None:
    table = rows(
        ("a", "ok", None, None),
        ("b", "ok", None, None),
        ("c", "rejected", "empty", None),
        ("d", "failed", "refused", "x"),
    )
    judged = schemas.annotate(table, ["short: 2 words: few", None, "long", "long"])
    assert judged.to_pylist() == [
        {"id": "a", "status": "rejected", "reason": "short", "detail": "2 words: few"},
        {"id": "b", "status": "ok", "reason": None, "detail": None},
        {"id": "c", "status": "rejected", "reason": "empty", "detail": None},
        {"id": "d", "status": "failed", "reason": "refused", "detail": "x"},
    ]
    assert schemas.counts(judged) == {"failed/refused": 1, "ok": 1, "rejected/empty": 1, "rejected/short": 1}


def test_a_table_is_exactly_its_schema_or_refused() -> None:
    good = rows(("a", "ok", None, None))
    assert schemas.conform(good.append_column("extra", pa.array([1])), STATES).schema == STATES
    with pytest.raises(ValueError, match="columns missing: detail"):
        schemas.conform(good.drop_columns(["detail"]), STATES)
    with pytest.raises(ValueError, match="column 'status' is int64, the schema says string"):
        schemas.conform(good.set_column(1, "status", pa.array([1])), STATES)
    with pytest.raises(ValueError, match="column 'id' has 1 nulls"):
        schemas.table(STATES, [{"status": "ok"}])


@pytest.mark.parametrize("name", ["PASSAGES", "PERSONAS", "PLAN", "PAIRS", "SCORED", "CLUSTERED", "MINED", "DATASET"])
def test_every_column_is_documented(name: str) -> None:
    schema: pa.Schema = getattr(schemas, name)
    assert [field.name for field in schema if not (field.metadata or {}).get(b"doc")] == []
    assert len(set(schema.names)) == len(schema.names)
