import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from synth import schemas, show, store
from synth.errors import ConfigError, StoreError
from synth.ledger import File
from synth.stage import Source
from synth.store import Manifest
from tests.rows import mined

HOSTILE = "\x1b[31mred\x1b]0;owned\x07 [bold]markup[/bold] :smile: \x9b2J \u202egnp"


def row(number: int, **changes: Any) -> dict[str, Any]:
    return mined(
        id=f"row{number}", passage_id=f"p{number}", document_id="d", source=f"docs.jsonl:{number}", title="Tides",
        passage="The tide turns.", query_language="de", query="when does the tide turn",
        positive="Every six hours the tide turns.", type="keywords", difficulty="phd", words=6, cosine=0.75, cluster="c",
        persona="a sailor", negatives=["Salt is white. " * 20],
    ) | changes  # fmt: skip


STAGE = Source(name="negatives", does="", writes=schemas.MINED, read=lambda: iter([]))
PLAN = Source(name="plan", does="", writes=schemas.PLAN, read=lambda: iter([]))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / STAGE.folder
    files = []
    for part in range(5):
        rows = [
            row(n, status="rejected", reason="copied") if n % 5 == 0 else row(n)
            for n in range(part * 20, part * 20 + 20)
        ]
        files.append(store.write_part(folder, part, schemas.table(schemas.MINED, rows)))
    store.finish(folder, STAGE, {"ok": 80, "rejected/copied": 20}, files)
    return tmp_path


def printed(renderable: RenderableType, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(renderable)
    return stream.getvalue()


def test_rows_come_from_everywhere_and_are_the_same_again(run: Path) -> None:
    picked = show.rows(run, STAGE, number=10)
    assert picked == show.rows(run, STAGE, number=10)
    assert picked != show.rows(run, STAGE, number=10, seed=1)
    numbers = [int(row["id"][3:]) for row in picked]
    assert numbers == sorted(set(numbers))
    assert len({number // 20 for number in numbers}) >= 3


def test_rows_by_reason_status_and_id(run: Path) -> None:
    assert {row["reason"] for row in show.rows(run, STAGE, reason="copied")} == {"copied"}
    assert {row["status"] for row in show.rows(run, STAGE, status="ok", number=80)} == {"ok"}
    assert [row["id"] for row in show.rows(run, STAGE, id="row77")] == ["row77"]
    assert show.rows(run, STAGE, id="nobody") == []


def test_a_reason_that_is_none(run: Path) -> None:
    with pytest.raises(ConfigError, match="no row has the reason 'copyed'; did you mean 'copied'") as caught:
        show.rows(run, STAGE, reason="copyed")
    assert caught.value.fix == "one of: copied"


def test_a_stage_without_reasons(tmp_path: Path) -> None:
    columns = set(schemas.PLAN.names)
    plan = {name: value for name, value in row(1).items() if name in columns}
    part = store.write_part(tmp_path / PLAN.folder, 0, schemas.table(schemas.PLAN, [plan]))
    store.finish(tmp_path / PLAN.folder, PLAN, {"ok": 1}, [part])
    assert show.rows(tmp_path, PLAN) == [plan]
    assert "A zookeeper." in printed(show.render(plan))
    with pytest.raises(ConfigError, match="have no status or reason"):
        show.rows(tmp_path, PLAN, status="ok")


def test_a_stage_that_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="'negatives' is not finished"):
        show.rows(tmp_path, STAGE)


def test_a_row_on_80_columns() -> None:
    text = printed(show.render(row(1, status="rejected", reason="copied", detail="9 of 10 words")))
    assert text == (
        "╭─ row1 · retrieval ───────────────────────────────────────────────────────────╮\n"
        "│ query      when does the tide turn                                           │\n"
        "│ positive   Every six hours the tide turns.                                   │\n"
        "│ neg 0.500  Salt is white. Salt is white. Salt is white. Salt is white. Salt  │\n"
        "│            is white. Salt is white. Salt is white. Salt is white.…           │\n"
        "│ persona    a sailor                                                          │\n"
        "│ asked for  keywords, phd, short                                              │\n"
        "│ language   query de, positive en                                             │\n"
        "│ cosine     0.750, rank 1                                                     │\n"
        "│ source     Tides · docs.jsonl:1                                              │\n"
        "│ status     rejected: copied: 9 of 10 words                                   │\n"
        "╰──────────────────────────────────────────────────────────────────────────────╯\n"
    )


def test_a_passage() -> None:
    text = printed(show.render({"id": "p1", "text": "The tide turns.", "language": "en", "status": "ok"}))
    assert "│ positive " not in text
    assert "│ text       The tide turns. " in text
    assert "│ status     ok " in text


@pytest.mark.parametrize("name", ["id", "query", "positive", "persona", "type", "title", "source", "detail", "reason"])
def test_no_escape_sequence_reaches_the_terminal(name: str) -> None:
    text = printed(show.render(row(1, status="rejected") | {name: HOSTILE}), width=200)
    assert not set(text) & set("\x1b\x07\x9b\u202e")
    assert "\\x1b[31mred\\x1b]0;owned\\x07 [bold]markup[/bold] :smile: \\x9b2J \\u202egnp" in text


def test_no_escape_sequence_in_negatives() -> None:
    text = printed(show.render(row(1, negatives=[HOSTILE])), width=200)
    assert not set(text) & set("\x1b\x07\x9b\u202e")
    assert "neg 0.500  \\x1b[31mred" in text


def manifest(stage: str, counts: dict[str, int], file: str = "part-00000.parquet") -> Manifest:
    return Manifest(stage, "f", (), (File(file, sum(counts.values()), 1, "x"),), counts)


def test_the_funnel() -> None:
    table = show.funnel(
        [
            manifest("corpus", {"ok": 50, "rejected/too_short": 10}),
            manifest("plan", {"ok": 150}),
            manifest("generate", {"ok": 140, "failed/timeout": 4, "rejected/unparsed": 6}),
            manifest(
                "filter", {"ok": 1, "failed/timeout": 4, "rejected/unparsed": 6, "rejected/a": 40, "rejected/b": 99}
            ),
            manifest("clusters", {"rows": 9}, "clusters.parquet"),
            manifest("publish", {"train": 1, "failed/timeout": 4, "rejected/unparsed": 145}, "data/x.parquet"),
        ]
    )
    assert [line.strip() for line in printed(table).splitlines() if "─" not in line and line.strip()] == [
        "stage       in   out   failed   rejected, by reason",
        "corpus      60    50            too_short 10",
        "plan       150   150",
        "generate   150   140        4   unparsed 6, timeout 4",
        "filter     140     1            b 99, a 40",
        "publish    150     1        4   unparsed 145, timeout 4",
    ]


def test_triples(tmp_path: Path) -> None:
    columns = {"positive_score": 0.75}
    rows = [{name: (row(n) | columns)[name] for name in schemas.DATASET.names} for n in range(20)]
    (tmp_path / "data").mkdir()
    schemas_table = schemas.table(schemas.DATASET, rows)
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(store.to_parquet(schemas_table))
    text = printed(show.triples(tmp_path, 5))
    assert text.count("when does the tide turn") == 5
    assert "cosine     0.750, rank 1" in text


def test_triples_of_an_empty_or_missing_dataset(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no dataset here"):
        show.triples(tmp_path)
    (tmp_path / "data").mkdir()
    empty = store.to_parquet(schemas.DATASET.empty_table())
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(empty)
    assert printed(show.triples(tmp_path)) == "The dataset has no rows.\n"
