"""Publishing to a folder, and to S3 against moto's server, by s3fs."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from synth import publishing
from synth.config import Config
from synth.errors import ConfigError, RefusedError, StoreError
from synth.publishing import contents
from synth.publishing.storage import Storage
from tests import s3_server
from tests.publishing import toy
from tests.s3_server import SECRET


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return toy.ran(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return toy.ran(tmp_path_factory.mktemp("second"), limit=20)


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    with s3_server.opened("bucket"):
        yield


@pytest.fixture(params=["folder", "s3"])
def to(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "published")
    request.getfixturevalue("s3")
    return f"s3://bucket/{tmp_path.name}"


def publish(config: Config, to: str, **options: Any) -> publishing.Outcome:
    return publishing.publish(config, Storage(to), waits=(), **options)


def there(to: str) -> dict[str, bytes]:
    fs, root = fsspec.core.url_to_fs(to)
    fs.invalidate_cache()
    return {path.removeprefix(f"{root}/"): fs.cat_file(path) for path in fs.find(root)}


def files(config: Config) -> dict[str, bytes]:
    return {path: item.source.read_bytes() for path, item in contents.of(config).items.items()}


def put(to: str, path: str, data: bytes) -> None:
    fs, root = fsspec.core.url_to_fs(to)
    fs.makedirs(f"{root}/{path}".rpartition("/")[0], exist_ok=True)
    fs.pipe_file(f"{root}/{path}", data)


def test_what_is_published_is_there_and_again_is_nothing_to_do(run: Config, grown: Config, to: str) -> None:
    would = publish(run, to, dry_run=True)
    assert there(to) == {}
    assert publish(run, to).add == would.add
    found = there(to)
    assert (found.keys() - files(run).keys(), files(run).items() <= found.items()) == ({"synth.json"}, True)
    assert publish(run, to).state == "nothing_new"
    assert publish(grown, to).state == "done"
    assert files(grown).items() <= there(to).items()
    assert there(to).keys() == {*files(grown), "synth.json"}


def test_what_this_run_did_not_publish_is_refused(run: Config, to: str) -> None:
    put(to, "data/train-00003-of-00004.parquet", b"theirs")
    with pytest.raises(RefusedError, match="train-00003-of-00004"):
        publish(run, to)
    assert there(to) == {"data/train-00003-of-00004.parquet": b"theirs"}
    assert publish(run, to, replace=True).remove == ("data/train-00003-of-00004.parquet",)
    assert there(to).keys() == {*files(run), "synth.json"}


def test_rows_that_were_changed_since_are_refused(run: Config, grown: Config, to: str) -> None:
    publish(run, to)
    put(to, "data/train-00000-of-00001.parquet", b"mended by hand")
    put(to, "NOTES.md", b"no rows, and none of ours")
    with pytest.raises(RefusedError, match="changed since it was published"):
        publish(grown, to)
    assert publish(grown, to, replace=True).state == "done"
    assert there(to)["NOTES.md"] == b"no rows, and none of ours"


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_killed_upload_is_gone_on_with_also_by_the_next_dataset(
    run: Config, grown: Config, to: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(run, to)
    copy, done = Storage._copy, []

    def dies(self: Storage, source: Path, path: str) -> None:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(path)
        copy(self, source, path)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "_copy", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(grown, to)
    found = publish(grown, to)
    assert {*done} & {*found.add, *found.change} == set()
    assert files(grown).items() <= there(to).items()
    assert publish(run, to).state == "done"
    assert there(to).keys() == {*files(run), "synth.json"}


def test_errors_say_the_fix_and_no_key(run: Config, s3: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError) as failed:
        publish(run, "s3://no-such-bucket/toy")
    assert "bucket" in failed.value.fix
    with pytest.raises(ConfigError, match="nosuch"):
        publish(run, "nosuch://bucket/toy")
    fsspec.filesystem("s3").clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # it would try for ten seconds
    with pytest.raises(StoreError) as failed:
        publish(run, "s3://bucket/toy")
    assert SECRET not in str(failed.value)
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(run: Config, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="ermission"):
        publish(run, str(tmp_path / "published"))


def test_the_run_s_own_folder_is_no_destination(run: Config) -> None:
    with pytest.raises(ConfigError, match="in the run's own folder"):
        publish(run, str(run.folder / "dataset"))


def test_what_another_run_began_is_not_ours(run: Config, to: str) -> None:
    fs, root = fsspec.core.url_to_fs(to)
    fs.makedirs(root, exist_ok=True)
    card = contents.of(run).items["README.md"]
    begun = {"run": "another", "files": {"README.md": [card.sha256]}}
    fs.pipe_file(f"{root}/synth.begun.json", json.dumps(begun).encode())
    with pytest.raises(RefusedError, match="it is the dataset of run 'another'"):
        publish(run, to)
