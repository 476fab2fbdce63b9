from pathlib import Path

import pytest

from synth import files
from synth.errors import StoreError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_atomically(tmp_path / "file", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        files.write_atomically(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    for content in ("first", "second"):
        making = files.fresh_folder(target)
        (making / content).touch()
        files.replace_folder(making, target)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["dataset", "dataset/second"]


def test_a_line_after_a_torn_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    files.append_line(path, b"one")
    with path.open("ab") as stream:
        stream.write(b"to")
    files.append_line(path, b"three")
    assert path.read_bytes() == b"one\nto\nthree\n"


def test_a_link_in_the_place_of_a_folder_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    target = tmp_path / "dataset"
    target.symlink_to(elsewhere)
    making = files.fresh_folder(target)
    (making / "new").touch()
    files.replace_folder(making, target)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "dataset",
        "dataset/new",
        "elsewhere",
        "elsewhere/kept",
    ]
