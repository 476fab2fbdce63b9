import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth import schemas, store
from synth.config import Config, Corpus, Publish
from synth.executors import local
from synth.files import sha256
from synth.stage import Fold, Map, Source, Stage, Workspace
from synth.stages import publish, quota
from synth.verify import verify
from tests import rows

ROWS, SHARD = 40, 10


class Silent:
    def advance(self, rows: int, ok: int, **totals: float) -> None:
        pass


@contextmanager
def silent(stage: Stage, rows: int | None) -> Iterator[Silent]:
    yield Silent()


def mined(number: int) -> dict[str, Any]:
    return rows.mined(
        id=f"row{number}", passage=f"text {number}", passage_id=f"passage{number}", query=f"query {number}",
        document_id=f"document{number // 2}", cosine=0.75, negatives=["other"], negative_ids=["p-other"],
    )  # fmt: skip


def reject_tenth(rows: pa.Table, _: None) -> pa.Table:
    return schemas.annotate(rows, ["copied" if i == 9 else None for i in range(rows.num_rows)])


def side_table(shards: Iterator[pa.Table], workspace: Workspace) -> dict[str, int]:
    pq.write_table(pa.table({"key": [sum(rows.num_rows for rows in shards)]}), workspace.folder / "side.parquet")
    return {"keys": 1}


SOURCE = Source(
    name="score",
    does="",
    writes=schemas.MINED,
    read=lambda: (schemas.table(schemas.MINED, map(mined, range(at, at + SHARD))) for at in range(0, ROWS, SHARD)),
)
INDEX = Fold(name="index", does="", writes=pa.schema([("key", pa.int64())]), after=(SOURCE,), fn=side_table)
NEGATIVES = Map(name="negatives", does="", writes=schemas.MINED, after=(SOURCE, INDEX), fn=reject_tenth)
CONFIG = Config.model_construct(
    name="toy",
    corpus=Corpus(path="docs"),
    engine=SimpleNamespace(kind="scripted"),
    embedder=SimpleNamespace(kind="local"),
    tasks={},
    publish=Publish(validation=0.4),
)
QUOTA = quota.stage(CONFIG, NEGATIVES, INDEX, SOURCE, lambda run: [""])
PUBLISH = publish.stage(CONFIG, NEGATIVES, QUOTA, [SOURCE, INDEX])
STAGES = [SOURCE, INDEX, NEGATIVES, QUOTA, PUBLISH]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole")
    local.run(STAGES, run, silent)
    return run


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def rewrite(run: Path, stage: Stage, name: str, rows: pa.Table) -> Path:
    """Change a file as a bug in our code would: the manifest is in agreement with the bytes."""
    folder = run / stage.folder
    pq.write_table(rows, folder / name)
    redescribe(folder, stage, store.finished(folder, stage).counts)
    return folder / name


def redescribe(folder: Path, stage: Stage, counts: Mapping[str, int], without: str = "") -> None:
    """Write the manifest anew, in agreement with the bytes that are there."""
    found = store.finished(folder, stage)
    files = [
        replace(
            file,
            rows=pq.read_metadata(folder / file.name).num_rows if file.name.endswith(".parquet") else 0,
            bytes=(folder / file.name).stat().st_size,
            sha256=sha256(folder / file.name),
        )
        for file in found.files
        if file.name != without
    ]
    store.finish(folder, stage, counts, files)


def tampered(folder: Path, change: Callable[[Any], object]) -> Path:
    """Change a manifest, checksum and all, as a bug in our code would."""
    path = folder / store.MANIFEST
    raw = json.loads(path.read_text())
    del raw["checksum"]
    change(raw)
    path.write_text(json.dumps({**raw, "checksum": store._checksum(raw)}))
    return path


def changed(rows: pa.Table, column: str, row: int, value: Any) -> pa.Table:
    at = rows.schema.get_field_index(column)
    values = rows.column(column).to_pylist()
    values[row] = value
    return rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type))


def test_a_sound_run(run: Path) -> None:
    assert verify(STAGES, run) == []


def test_leftovers_of_a_killed_process_are_no_problem(run: Path) -> None:
    (run / NEGATIVES.folder / ".part-00000.parquet.123.tmp").write_bytes(b"half")
    assert verify(STAGES, run) == []


def test_a_flipped_bit(run: Path) -> None:
    path = run / NEGATIVES.folder / "part-00001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert verify(STAGES, run) == [f"{path}: its SHA-256 is not the manifest's: the content was changed"]


def test_a_cut_file(run: Path) -> None:
    path = run / "dataset" / "README.md"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100])
    assert verify(STAGES, run) == [f"{path}: 100 bytes, the manifest says {size:,}"]


def test_a_deleted_shard(run: Path) -> None:
    path = run / SOURCE.folder / "part-00003.parquet"
    path.unlink()
    assert verify(STAGES, run) == [f"{path}: the file is missing"]


def test_an_extra_file(run: Path) -> None:
    path = run / "dataset" / "data" / "train-00009-of-00010.parquet"
    path.write_bytes(b"PAR1")
    assert verify(STAGES, run) == [f"{path}: no manifest names this file"]


def test_a_changed_count(run: Path) -> None:
    path = tampered(run / NEGATIVES.folder, lambda raw: raw["counts"].update({"rejected/copied": 5}))
    assert f"{path}: it counts 5 rows as 'rejected/copied', the files have 4" in verify(STAGES, run)


def test_counts_of_a_shard_that_are_not_its_rows(run: Path) -> None:
    path = tampered(run / NEGATIVES.folder, lambda raw: raw["files"][1]["counts"].update(ok=8))
    found, said = {"ok": 9, "rejected/copied": 1}, {"ok": 8, "rejected/copied": 1}
    shard = path.parent / "part-00001.parquet"
    assert verify(STAGES, run) == [f"{shard}: it has the rows {found}, the manifest says {said}"]


def test_a_shard_made_from_something_else(run: Path) -> None:
    path = tampered(run / NEGATIVES.folder, lambda raw: raw["files"][1].update(made_from="0" * 32))
    assert verify(STAGES, run) == [
        f"{path.parent / 'part-00001.parquet'}: made from other content than 'score', 'index' have now"
    ]


def test_a_torn_manifest(run: Path) -> None:
    path = run / INDEX.folder / store.MANIFEST
    path.write_text("{")
    (problem,) = verify(STAGES, run)
    assert problem.startswith(f"{path}: not a manifest")


def test_an_unfinished_stage(run: Path) -> None:
    (run / "dataset" / store.MANIFEST).unlink()
    assert f"{run / 'dataset'}: stage 'publish' is not finished: no manifest.json" in verify(STAGES, run)


def test_a_dataset_of_other_settings(run: Path) -> None:
    tampered(run / "dataset", lambda raw: raw.update(fingerprint="0" * 12))
    assert verify(STAGES, run) == [
        f"{run / 'dataset'}: stage 'publish' is not finished: its manifest.json is of other settings"
    ]


def test_a_row_count_that_is_not_the_files(run: Path) -> None:
    path = tampered(run / SOURCE.folder, lambda raw: raw["files"][0].update(rows=11))
    assert verify(STAGES, run) == [f"{path.parent / 'part-00000.parquet'}: 10 rows, the manifest says 11"]


def test_another_schema(run: Path) -> None:
    rows = store.read_part(run / SOURCE.folder / "part-00000.parquet")
    path = rewrite(run, SOURCE, "part-00000.parquet", rows.drop_columns(["seed"]))
    assert verify(STAGES, run) == [f"{path}: its schema is not that of stage 'score': seed is missing"]


def test_a_file_that_is_no_parquet(run: Path) -> None:
    path = run / SOURCE.folder / "part-00000.parquet"
    path.write_bytes(b"no parquet at all")
    tampered(path.parent, lambda raw: raw["files"][0].update(bytes=17, sha256=sha256(path)))
    (problem,) = verify(STAGES, run)
    assert problem.startswith(f"{path}: not readable as Parquet: ")


def test_an_id_that_stands_twice(run: Path) -> None:
    rows = store.read_part(run / SOURCE.folder / "part-00002.parquet")
    path = rewrite(run, SOURCE, "part-00002.parquet", changed(rows, "id", 0, "row3"))
    problems = verify(STAGES, run)
    assert problems[0] == f"{path}: the id row3 stands here again, first in part-00000.parquet"
    made = run / NEGATIVES.folder / "part-00002.parquet"
    assert f"{made}: its ids are not those of {path}, the shard it was made from" in problems
    assert f"{made}: made from other content than 'score', 'index' have now" in problems


def test_a_shard_too_few_in_a_map(run: Path) -> None:
    folder = run / NEGATIVES.folder
    (folder / "part-00003.parquet").unlink()
    redescribe(folder, NEGATIVES, {"ok": 27, "rejected/copied": 3}, without="part-00003.parquet")
    problems = verify(STAGES, run)
    assert f"{folder}: 3 shards, made from 4 in {run / SOURCE.folder}" in problems
    data = run / "dataset" / "data"
    assert f"{data}: 9 rows of the dataset are not among those that are ok in {folder}" in problems


def test_a_row_lost_by_publish(run: Path) -> None:
    (path,) = (run / "dataset" / "data").glob("train-*")
    rows = store.read_part(path)
    rewrite(run, PUBLISH, f"data/{path.name}", rows.slice(1))
    assert verify(STAGES, run) == [
        f"{run / 'dataset' / store.MANIFEST}: it counts {rows.num_rows} rows as 'train', the files have {rows.num_rows - 1}",
        f"{path.parent}: 1 rows that are ok are missing from the dataset in {run / NEGATIVES.folder}",
    ]


def test_a_document_in_two_splits(run: Path) -> None:
    (path,) = (run / "dataset" / "data").glob("train-*")
    (other,) = (run / "dataset" / "data").glob("validation-*")
    stolen = store.read_part(other).column("document_id")[0].as_py()
    rewrite(run, PUBLISH, f"data/{path.name}", changed(store.read_part(path), "document_id", 0, stolen))
    assert verify(STAGES, run) == [f"{path.parent}: 1 values of 'document_id' are in more than one split"]


def test_a_negative_that_is_the_positive(run: Path) -> None:
    (path,) = (run / "dataset" / "data").glob("train-*")
    rows = store.read_part(path)
    name, positive = rows.column("id")[2].as_py(), rows.column("positive")[2].as_py()
    rewrite(run, PUBLISH, f"data/{path.name}", changed(rows, "negatives", 2, [positive]))
    assert verify(STAGES, run) == [f"{path}: row {name} has its positive among its negatives"]


def test_negatives_without_scores(run: Path) -> None:
    (path,) = (run / "dataset" / "data").glob("train-*")
    rows = store.read_part(path)
    rewrite(run, PUBLISH, f"data/{path.name}", changed(rows, "negative_scores", 0, []))
    name = rows.column("id")[0].as_py()
    assert verify(STAGES, run) == [f"{path}: row {name} has 1 negatives, 1 ids and 0 scores of them"]
