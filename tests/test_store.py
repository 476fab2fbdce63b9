from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth import files, ledger, store
from synth.errors import StoreError
from synth.stage import Stage
from tests.strategies import FILES

ROWS = pa.table({"id": ["a", "b"]})
STAGE = Stage(name="made", does="make rows", writes=ROWS.schema)


def finished(folder: Path) -> store.Manifest:
    folder.mkdir(exist_ok=True)
    return store.finish(folder, STAGE, {"ok": 2}, [store.write_part(folder, 0, ROWS)])


def test_a_manifest_names_every_file_and_reads_back(tmp_path: Path) -> None:
    made = finished(tmp_path)
    data = (tmp_path / "part-00000.parquet").read_bytes()
    assert made == store.Manifest(
        stage="made",
        fingerprint=STAGE.fingerprint,
        schema=("id: string",),
        files=(
            ledger.File(
                "part-00000.parquet", 2, len(data), files.sha256(tmp_path / "part-00000.parquet"), "", {"ok": 2}
            ),
        ),
        counts={"ok": 2},
    )
    assert store.manifest(tmp_path) == made
    assert data == store.to_parquet(ROWS)


def test_without_its_manifest_a_stage_is_not_finished(tmp_path: Path) -> None:
    folder = tmp_path / STAGE.folder
    made = store.write_part(folder, 0, ROWS)
    assert not store.is_finished(tmp_path, STAGE)
    with pytest.raises(StoreError, match="stage 'made' is not finished"):
        list(store.read_parts(tmp_path, STAGE))
    store.finish(folder, STAGE, {"ok": 2}, [made])
    assert [part.to_pydict() for part in store.read_parts(tmp_path, STAGE)] == [{"id": ["a", "b"]}]


def test_damage_is_named(tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(StoreError, match=r"part-00000.parquet: damaged"):
        store.read_part(tmp_path / "part-00000.parquet")
    (tmp_path / store.MANIFEST).write_text('{"stage": "made"}')
    with pytest.raises(StoreError, match="not a manifest: 'checksum'"):
        store.manifest(tmp_path)


def flip(path: Path, at: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_set_aside_by_who_reads_it(tmp_path: Path) -> None:
    made = finished(tmp_path / STAGE.folder)
    path = tmp_path / STAGE.folder / "part-00000.parquet"
    flip(path)
    with pytest.raises(StoreError, match=r"damaged.*set aside as .part-00000.parquet.damaged"):
        store.read_checked(path.parent, made.files[0])
    assert [p.name for p in sorted(path.parent.iterdir())] == [".part-00000.parquet.damaged", "manifest.json"]
    assert not store.is_finished(tmp_path, STAGE)


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_bit_in_a_manifest_is_found(tmp_path: Path, at: float) -> None:
    finished(tmp_path)
    flip(tmp_path / store.MANIFEST, at)
    with pytest.raises(StoreError, match="not a manifest"):
        store.manifest(tmp_path)


def test_only_whole_lines_of_whole_files_are_trusted(tmp_path: Path) -> None:
    entries = [store.write_part(tmp_path, n, ROWS, made_from=str(n)) for n in range(4)]
    lines = (tmp_path / ledger.FILE).read_bytes().splitlines()
    lines[1] = lines[1].replace(b'"rows":2', b'"rows":3')  # damaged
    (tmp_path / ledger.FILE).write_bytes(b"\n".join([*lines[:3], lines[3][:-5]]))  # and torn
    found = store.trusted(tmp_path, {store.part_name(n): str(n) for n in range(4)})
    assert found == {"part-00000.parquet": entries[0], "part-00002.parquet": entries[2]}
    assert store.trusted(tmp_path, {"part-00000.parquet": "other"}) == {}
    (tmp_path / "part-00000.parquet").write_bytes(b"cut")
    assert store.trusted(tmp_path, None) == {"part-00002.parquet": entries[2]}
    (tmp_path / "part-00000.parquet").unlink()
    assert store.trusted(tmp_path, None) == {"part-00002.parquet": entries[2]}


@given(
    files=st.lists(FILES, max_size=5), counts=st.dictionaries(st.text(max_size=9), st.integers(0, 2**50), max_size=4)
)
def test_any_manifest_reads_back_as_it_was(
    files: list[ledger.File], counts: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    made = store.finish(folder, STAGE, counts, files)
    assert store.manifest(folder) == made


@given(data=st.binary(max_size=300), at=st.integers(0, 10**6), cut=st.booleans())
def test_a_manifest_with_anything_in_it_is_read_right_or_refused(
    data: bytes, at: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    made = store.finish(folder, STAGE, {"ok": 1}, [ledger.File("part-00000.parquet", 1, 2, "ab")])
    path = folder / store.MANIFEST
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + data + (b"" if cut else whole[at + len(data) :]))
    try:
        assert store.manifest(folder) == made
    except StoreError as error:
        assert "not a manifest" in error.what  # noqa: PT017


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        ".index-1.new/a",
        ".index-1.old/b",
        "index-1/c",
        ".dataset.old/d",
        "plan-1/.part-00000.parquet.7.tmp",
        "plan-1/part-00000.parquet",
        "plan-1/parts.jsonl",
        "done-1/parts.jsonl",
        "done-1/manifest.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in (".run.yaml.7.tmp", "run.yaml", ".lock"):
        (tmp_path / name).touch()
    store.sweep(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        ".lock",
        "dataset",  # killed between two renames: the old one is put back
        "dataset/d",
        "done-1",
        "done-1/manifest.json",
        "index-1",
        "index-1/c",
        "plan-1",
        "plan-1/part-00000.parquet",
        "plan-1/parts.jsonl",
        "run.yaml",
    ]
