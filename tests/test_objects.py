"""A corpus in object storage: the rows are those of the same files on disk. S3 is moto's server, read by s3fs."""

import gzip
import json
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth import benchmarks, objects, pipeline, readers, runs, series
from synth.benchmarks import Benchmark
from synth.config import Config, Personas
from synth.errors import ConfigError, InputError, SynthError
from synth.objects import Object
from synth.progress import shown
from synth.stage import Workspace
from synth.stages import personas
from tests import s3_server
from tests.publishing import toy
from tests.s3_server import SECRET

SAMPLE = Path("examples/corpus/documents.jsonl")


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    with s3_server.opened("corpora"):
        yield


@pytest.fixture
def bucket(s3: None, tmp_path: Path) -> str:
    return f"s3://corpora/{tmp_path.name}"


def write(folder: Path) -> None:
    """Lay a folder of all kinds of files."""
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    (folder / "sub/.hidden").mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(b"".join(lines[:6]) + b"not JSON\n")
    (folder / "sub/b.jsonl.gz").write_bytes(gzip.compress(b"".join(lines[6:9])))
    rows = [json.loads(line) for line in lines[9:14]]
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]}), folder / "sub/c.parquet")
    (folder / "d.csv").write_text(
        'id,text,title,language\n"x","A bee, and\nits hive, on two lines of one field.","B","en"\n'
    )
    (folder / "e note.md").write_text(
        "# A title\n\nOtters hold hands while they sleep, so that they do not drift apart."
    )
    (folder / "sub/f.pdf").write_bytes(b"%PDF")
    (folder / "sub/.hidden/g.txt").write_text("hidden")
    (folder / ".h.txt").write_text("hidden")


def upload(folder: Path, url: str) -> None:
    fs, root = objects.store(url)
    for path in folder.rglob("*"):
        if path.is_file():
            fs.pipe_file(f"{root}/{path.relative_to(folder)}", path.read_bytes())


def read(path: str | Path, *columns: str) -> list[readers.Row]:
    return list(readers.rows(path=str(path), columns=columns, whole_files=True))


@pytest.mark.parametrize(
    "choice", ["", "/a.jsonl", "/*.jsonl", "/**/*.jsonl*", "/sub", "/sub/*.parquet", "/[a-d]*", "/.h*"]
)
def test_rows_are_those_of_the_same_files_on_disk(choice: str, bucket: str, tmp_path: Path) -> None:
    write(tmp_path)
    upload(tmp_path, bucket)
    on_disk = read(f"{tmp_path}{choice}")
    assert on_disk
    assert read(f"{bucket}{choice}") == on_disk


def test_a_run_on_a_bucket_makes_the_dataset_of_a_run_on_disk(bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    write(folder)
    upload(folder, f"{bucket}/corpus")
    made = {}
    for name, path in {"disk": str(folder), "store": f"{bucket}/corpus"}.items():
        config = toy.settings(tmp_path / name, path=path, limit=None)
        with shown() as display:
            assert runs.run(config, display).summary["rows"] > 10
            assert runs.run(config, display).ran == ()
        dataset = config.folder / "dataset"
        made[name] = {
            str(path.relative_to(dataset)): path.read_bytes()
            for path in dataset.rglob("*")
            if path.is_file() and path.name != "manifest.json"
        }
    assert made["store"] == made["disk"]
    assert "README.md" in made["disk"]


def fingerprint(config: Config) -> str:
    return pipeline.build(config).corpus.fingerprint


def test_other_inputs_that_change_after_they_were_listed_are_an_error(bucket: str, tmp_path: Path) -> None:
    fs, root = objects.store(bucket)
    for name in ("personas", "benchmark"):
        fs.pipe_file(f"{root}/{name}.jsonl", b'{"persona": "A baker.", "text": "which bees dance"}\n')
    config = toy.settings(tmp_path).model_copy(
        update={
            "personas": Personas(path=f"{bucket}/personas.jsonl", licence="CC0-1.0", candidates=1),
            "decontamination": benchmarks.Decontamination(
                benchmarks=[Benchmark(name="b", path=f"{bucket}/benchmark.jsonl")]
            ),
        }
    )
    built = pipeline.build(config)
    for name in ("personas", "benchmark"):
        fs.pipe_file(f"{root}/{name}.jsonl", b'{"persona": "A nurse.", "text": "which ants dance"}\n')
    assert built.benchmarks
    with pytest.raises(InputError, match="has changed since the run looked at it"):
        list(built.benchmarks.read())
    with (
        pytest.raises(InputError, match="has changed since the run looked at it"),
        built.personas.open(Workspace(tmp_path, tmp_path, None)),
    ):  # type: ignore[arg-type]
        pass


def test_an_object_that_changes_is_noticed(bucket: str, tmp_path: Path) -> None:
    fs, root = objects.store(bucket)
    data = SAMPLE.read_bytes()
    fs.pipe_file(f"{root}/a.jsonl", data)
    config = toy.settings(tmp_path, path=f"{bucket}/a.jsonl")
    before, read_before = fingerprint(config), pipeline.build(config).corpus.read
    assert fingerprint(config) == before
    fs.pipe_file(f"{root}/a.jsonl", data.replace(b"e", b"E"))  # as long as it was
    assert fingerprint(config) != before
    with pytest.raises(InputError, match="has changed since the run looked at it"):
        list(read_before())
    fs.pipe_file(f"{root}/a.jsonl", data)
    assert fingerprint(config) == before  # by S3's ETag, a hash of what is in it


def test_an_object_that_changes_while_it_is_read_is_noticed(bucket: str) -> None:
    fs, root = objects.store(bucket)
    line = json.dumps({"text": "x" * 200_000}).encode() + b"\n"
    fs.pipe_file(f"{root}/a.jsonl", line * 200)
    rows = readers.rows(path=f"{bucket}/a.jsonl")
    next(rows)
    fs.pipe_file(f"{root}/a.jsonl", line.replace(b"x", b"y") * 200)
    with pytest.raises(InputError) as error:
        list(rows)
    assert error.value.fix == "run the same command again: what is there now is read"


def test_an_update_takes_what_is_new_in_a_bucket_and_prunes_what_is_gone(bucket: str, tmp_path: Path) -> None:
    fs, root = objects.store(bucket)
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    config = toy.settings(tmp_path, path=bucket, limit=None)

    def night(*, prune: bool = False) -> tuple[int, int, bool]:
        with shown() as display:
            found = series.update(config, display, prune=prune)
        return found.release, found.planned, found.withdrawn > 0

    each = config.tasks["retrieval"].rows_per_passage
    fs.pipe_file(f"{root}/monday.jsonl", b"".join(lines[:8]))
    assert night() == (1, 8 * each, False)
    assert night() == (1, 0, False)
    fs.pipe_file(f"{root}/tuesday.jsonl", b"".join(lines[8:12]))
    assert night() == (2, 4 * each, False)
    fs.rm_file(f"{root}/monday.jsonl")
    assert night() == (2, 0, False)
    assert night(prune=True) == (2, 0, True)


def test_it_is_read_as_a_stream(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows of 40 MB cost a block or a row group, and not the whole."""
    fs, root = objects.store(bucket)
    line = json.dumps({"text": "x" * 10_000}).encode() + b"\n"
    fs.pipe_file(f"{root}/a.jsonl", line * 4000)
    table = pa.table({"text": [f"{i:07}" * 1500 for i in range(4000)], "other": ["y"] * 4000})
    with fs.open(f"{root}/b.parquet", "wb") as stream:
        pq.write_table(table, stream, row_group_size=100, compression="none", use_dictionary=False)
    asked = []
    whole = type(fs)._cat_file

    async def counted(self: Any, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
        data: bytes = await whole(self, path, start=start, end=end, **more)
        asked.append(len(data))
        return data

    monkeypatch.setattr(type(fs), "_cat_file", counted)
    fetch = __import__("s3fs").core.S3File._fetch_range

    def fetched(self: Any, start: int, end: int) -> bytes:
        data: bytes = fetch(self, start, end)
        asked.append(len(data))
        return data

    monkeypatch.setattr("s3fs.core.S3File._fetch_range", fetched)
    for name in ("a.jsonl", "b.parquet"):
        asked.clear()
        next(readers.rows(path=f"{bucket}/{name}", columns=["text"]))
        assert 0 < sum(asked) < 12 * 2**20, (name, asked)
    assert len(read(f"{bucket}/b.parquet", "text")) == 4000
    assert max(asked) < 2 * 2**20


def test_benchmarks_and_personas_are_read_from_a_store_too(bucket: str) -> None:
    fs, root = objects.store(bucket)
    fs.pipe_file(f"{root}/bench.jsonl", b'{"text": "which bees dance"}\n')
    fs.pipe_file(f"{root}/who.jsonl", b"".join(b'{"persona": "beekeeper %d"}\n' % i for i in range(5)))
    assert list(benchmarks.texts(Benchmark(name="b", path=f"{bucket}/bench.jsonl"))) == ["which bees dance"]
    settings = Personas(path=f"{bucket}/who.jsonl", licence="CC0-1.0")
    assert personas.library(settings)[0] == "beekeeper 0"
    before = personas._digest(readers.files(settings.path))
    fs.pipe_file(f"{root}/who.jsonl", b"".join(b'{"persona": "Beekeeper %d"}\n' % i for i in range(5)))
    assert personas._digest(readers.files(settings.path)) != before
    with pytest.raises(ConfigError, match="read from disk"):
        benchmarks.files(Benchmark(name="b", beir=f"{bucket}/beir"))


def test_a_file_of_a_web_server_is_read_too() -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SAMPLE.parent))) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert read(f"{url}/documents.jsonl") == read(SAMPLE)
        assert "no such object or folder; did you mean 'documents.jsonl'?" in refused(f"{url}/document.jsonl").what
        server.shutdown()
        thread.join()


def refused(path: str) -> SynthError:
    with pytest.raises(SynthError) as error:
        read(path)
    assert error.value.fix
    assert SECRET not in str(error.value)
    return error.value


def test_what_is_wrong_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fs, root = objects.store(bucket)
    fs.pipe_file(f"{root}/documents.jsonl", b'{"text": "a"}\n')
    fs.pipe_file(f"{root}/odd/a.pdf", b"%PDF")
    fs.pipe_file(f"{root}/bad.parquet", b"PAR1 no")
    for path, what in {
        f"{bucket}/document.jsonl": "no such object or folder; did you mean 'documents.jsonl'?",
        f"{bucket}/*.xml": "no file matches",
        f"{bucket}/odd": "no file in this folder can be read; endings there: .pdf",
        f"{bucket}/odd/a.pdf": "files ending in .pdf cannot be read",
        f"{bucket}/bad.parquet": "bad.parquet: cannot be read: ",
        "s3://no-such-bucket/a.jsonl": "there is no bucket 'no-such-bucket'",
        "s3://no-such-bucket/*.jsonl": "there is no bucket 'no-such-bucket'",
    }.items():
        error = refused(path)
        assert (what in error.what, error.exit_code) == (True, 3), error
    assert "Protocol not known: nosuch" in refused("nosuch://bucket/a.jsonl").what
    assert "***@" in refused(f"s3://key:{SECRET}@corpora/a.jsonl").what


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PermissionError("Access Denied"), "denied"),
        (FileNotFoundError("no"), "missing"),
        (ConnectionResetError("gone"), "unreachable"),
        (TimeoutError("late"), "unreachable"),
        (OSError("At least one of the pre-conditions you specified did not hold"), "changed"),
        (RuntimeError("else"), "other"),
    ],
)
def test_the_kinds_of_trouble_that_a_store_has(error: Exception, kind: str) -> None:
    assert objects.trouble(error) == kind


@pytest.fixture
def fresh(s3: None) -> Iterator[None]:
    """Clients that read the environment anew."""
    fsspec.filesystem("s3").clear_instance_cache()
    yield
    fsspec.filesystem("s3").clear_instance_cache()


def test_no_credentials(fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    error = refused("s3://corpora/a.jsonl")
    assert ("redentials" in error.what, "credentials that may list and read" in error.fix) == (True, True)


def test_nobody_there(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert "AWS_ENDPOINT_URL" in refused("s3://corpora/a.jsonl").fix


def test_the_extra_is_missing(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    error = refused("gs://corpora/a.jsonl")
    assert (error.fix, error.exit_code) == ("pip install '.[gcs]' in a checkout of synth", 2)


def test_an_object_without_a_mark_cannot_be_told_apart() -> None:
    fs, _ = objects.store("memory://corpus")
    with pytest.raises(InputError, match="does not say when it was changed"):
        objects._object(fs, "corpus/a.jsonl", {"name": "corpus/a.jsonl", "size": 3, "type": "file"})
    fs.pipe_file("/corpus/a.jsonl", b'{"text": "a"}\n')
    assert [row.values for row in read("memory://corpus/a.jsonl")] == [{"text": "a"}]
    ((found, name),) = objects.listed("memory://corpus").found
    assert (isinstance(found, Object), name) == (True, "a.jsonl")
