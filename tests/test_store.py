import multiprocessing
from pathlib import Path

import pyarrow as pa
import pytest

from synth import store
from synth.errors import StoreError
from synth.stage import Stage

ROWS = pa.table({"id": ["a", "b"]})
STAGE = Stage(name="made", does="make rows", writes=ROWS.schema)


def finished(folder: Path) -> store.Manifest:
    store.write_part(folder, 0, ROWS)
    return store.finish(folder, STAGE, {"ok": 2})


def test_a_manifest_names_every_file_and_reads_back(tmp_path: Path) -> None:
    made = finished(tmp_path)
    data = (tmp_path / "part-00000.parquet").read_bytes()
    assert made == store.Manifest(
        stage="made",
        fingerprint=STAGE.fingerprint,
        schema=("id: string",),
        files=(store.File("part-00000.parquet", 2, len(data), store.sha256(tmp_path / "part-00000.parquet")),),
        counts={"ok": 2},
    )
    assert store.manifest(tmp_path) == made
    assert data == store.to_parquet(ROWS)


def test_without_its_manifest_a_stage_is_not_finished(tmp_path: Path) -> None:
    folder = tmp_path / STAGE.folder
    store.write_part(folder, 0, ROWS)
    assert not store.is_finished(tmp_path, STAGE)
    with pytest.raises(StoreError, match="stage 'made' is not finished"):
        list(store.read_parts(tmp_path, STAGE))
    store.finish(folder, STAGE, {"ok": 2})
    assert [part.to_pydict() for part in store.read_parts(tmp_path, STAGE)] == [{"id": ["a", "b"]}]


def test_damage_is_named(tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(StoreError, match=r"part-00000.parquet: damaged"):
        store.read_part(tmp_path / "part-00000.parquet")
    (tmp_path / store.MANIFEST).write_text('{"stage": "made"}')
    with pytest.raises(StoreError, match="not a manifest: 'fingerprint'"):
        store.manifest(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_atomically(tmp_path / "file", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        store.write_atomically(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    for content in ("first", "second"):
        making = store.fresh_folder(target)
        (making / content).touch()
        store.replace_folder(making, target)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["dataset", "dataset/second"]


def _hold(run: Path, held: "multiprocessing.synchronize.Event", over: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    with store.owned(run):
        held.set()
        over.wait(60)


def test_a_run_has_one_owner_and_a_dead_one_is_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, over = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held, over))
    holder.start()
    assert held.wait(60)
    with pytest.raises(StoreError, match=rf"in use by pid {holder.pid} on .* since 2"), store.owned(tmp_path):
        pass
    holder.kill()
    holder.join()
    with store.owned(tmp_path):
        assert f"pid {multiprocessing.current_process().pid}" in (tmp_path / ".lock").read_text()


def test_timings_skip_a_torn_line(tmp_path: Path) -> None:
    store.note_timing(tmp_path, STAGE, 1.5, requests=3)
    with (tmp_path / "timings.jsonl").open("a") as stream:
        stream.write('{"stage": "ma')
    found = store.timings(tmp_path)[STAGE.fingerprint]
    assert (found["stage"], found["seconds"], found["requests"]) == ("made", 1.5, 3)
