"""The ray executor on a real Ray cluster of this machine: a driver's node, and two nodes of one CPU each, of which one says
that it has a GPU."""

import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
import ray
from ray.cluster_utils import Cluster

from synth import __version__, config, encoders, kept, runs, series, store, vectors
from synth.encoders.hashing import Settings as Hashing
from synth.errors import ConfigError, ModelError, Stopped, StoreError
from synth.executors import _keeper, _worker, local
from synth.executors import ray as executor
from synth.executors._driver import Needs
from synth.executors._worker import Job
from synth.progress import shown
from synth.stage import Map, Source, Stage
from synth.stop import Stop
from tests.killing import Killer, contents
from tests.llm_server import LlmServer
from tests.telemetry import watched

NUMBERS = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("n", pa.int64(), nullable=False)])
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # nodes do not have this file


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    made.add_node(**(NODE | {"num_cpus": 0}), include_dashboard=False)
    made.add_node(**NODE, num_gpus=1)
    made.add_node(**NODE)
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def server() -> Iterator[LlmServer]:
    with LlmServer(latency=0.01) as running:
        yield running


@pytest.fixture(scope="module")
def killer(server: LlmServer, tmp_path_factory: pytest.TempPathFactory) -> Killer:
    return Killer(tmp_path_factory.mktemp("ray"), server, random.Random(0))


@pytest.fixture(scope="module")
def whole(killer: Killer) -> dict[str, bytes]:
    """The files of an undisturbed run of the local executor, with two rounds and more."""
    path = killer.config("local")
    run(path)
    killer.server.asked.clear()
    return contents(config.load(path).folder)


def run(path: Path, address: str = "", *overrides: str) -> None:
    own = [f"executor.address={address}"] if address else []
    settings = config.load(path, [*own, *overrides], "ray" if address else None)
    with shown() as display:
        runs.run(settings, display)


def lose(cluster: Cluster, node: Any) -> None:
    """End a node as a power cut does: its workers would otherwise go on for a second or two."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    for process in [raylet, *raylet.children(recursive=True)]:
        process.kill()
    cluster.remove_node(node, allow_graceful=False)


def losses(log: pytest.LogCaptureFixture) -> list[str]:
    """Who was lost with work, by the log. Ray may start a worker on a node that has just gone: that one had none yet."""
    return [said.partition(" was lost")[0] for said in log.messages if ", its 0 shards under way" not in said]


def asks(node: Any, port: int) -> bool:
    """Whether a worker on a node is connected to the server."""
    with contextlib.suppress(psutil.Error):  # a process that has just ended
        workers = psutil.Process(node.all_processes["raylet"][0].process.pid).children(recursive=True)
        return any(one.raddr and one.raddr.port == port for worker in workers for one in worker.net_connections("tcp"))
    return False


# Whole runs.


def test_a_run_on_a_cluster_has_the_same_files_as_one_on_this_machine(
    cluster: Cluster, killer: Killer, whole: dict[str, bytes]
) -> None:
    path = killer.config("same")
    run(path, cluster.address)
    folder = config.load(path).folder
    assert contents(folder) == whole
    assert set(killer.server.asked.values()) == {1}
    assert sorted(name for name in whole if name.startswith("rounds-"))  # it had rounds
    wrote = [json.loads(line) for line in (folder / "timings.jsonl").read_text().splitlines()]
    requests = [line["requests"] for line in wrote if line["stage"] == "generate"]
    assert sum(requests) == killer.server.asked.total()


def test_an_update_on_a_cluster_has_the_same_files_as_one_on_this_machine(cluster: Cluster, tmp_path: Path) -> None:
    made = {}
    for name, kind, own in (("here", None, []), ("cluster", "ray", [f"executor.address={cluster.address}"])):
        settings = config.load(watched.config(tmp_path, outputs=str(tmp_path / name)), own, kind)
        grown = config.load(watched.config(tmp_path, outputs=str(tmp_path / name)), [*own, "corpus.limit=16"], kind)
        with shown() as display:
            assert [series.update(one, display).planned for one in (settings, settings, grown)] == [24, 0, 8]
        folder = settings.folder / "dataset"
        made[name] = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert made["cluster"] == made["here"]
    assert any(name.startswith("data/train-0002") for name in made["here"])


def test_a_lost_node_costs_what_it_had_under_way(
    cluster: Cluster,
    killer: Killer,
    whole: dict[str, bytes],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path, asked = killer.config("lost"), killer.server.asked
    asked.clear()
    killer.server.latency = 0.2
    third, in_flight = cluster.add_node(**NODE), 2

    def wait() -> None:
        while not asks(third, killer.server.port):
            time.sleep(0.01)
        lose(cluster, third)

    losing = threading.Thread(target=wait)
    losing.start()
    try:
        run(path, cluster.address, f"engine.in_flight={in_flight}")
    finally:
        losing.join()
        killer.server.latency = 0.01
    assert contents(config.load(path).folder) == whole
    assert losses(caplog) == ["stage 'generate': a worker"]
    assert asked.total() - len(asked) <= in_flight
    assert capfd.readouterr().out == ""  # Ray would print what the raylet said


def test_sigterm_finishes_what_is_under_way_and_a_run_on_this_machine_goes_on(
    cluster: Cluster, killer: Killer, whole: dict[str, bytes]
) -> None:
    path, asked = killer.config("stopped"), killer.server.asked
    asked.clear()
    killer.server.latency = 0.1
    command = [sys.executable, "-m", "synth", "run", path, "--json", "--executor", "ray", "--address", cluster.address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while asked.total() < 30 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=60)
    killer.server.latency = 0.01
    assert process.returncode == 8, errors
    assert json.loads(said)["error"].startswith("stopped early (SIGTERM) in stage 'generate'")
    assert 30 <= asked.total() < 60
    run(path)
    assert contents(config.load(path).folder) == whole
    assert set(asked.values()) == {1}


# Stages of a few lines.


class Counting:
    """A display that adds up."""

    def __init__(self) -> None:
        self.rows, self.ok = 0, 0
        self.totals: dict[str, float] = {}

    def __call__(self, stage: Stage, total: int | None) -> "Counting":
        return self

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def advance(self, rows: int, ok: int, **totals: float) -> None:
        self.rows, self.ok = self.rows + rows, self.ok + ok
        for name, value in totals.items():
            self.totals[name] = self.totals.get(name, 0) + value


SHARDS = 4


def stages(**changes: Any) -> list[Stage]:
    shards = [pa.table({"id": [f"r{n}", f"s{n}"], "n": [n, 10 * n]}, schema=NUMBERS) for n in range(SHARDS)]
    first = Source(name="source", does="", writes=NUMBERS, read=lambda: iter(shards))
    return [first, Map(**{"name": "mapped", "does": "", "writes": NUMBERS, "after": (first,), **changes})]


def made(cluster: Cluster, folder: Path, before: list[Stage], stop: Stop | None = None, **settings: Any) -> Counting:
    display = Counting()
    with executor.open(executor.Settings(kind="ray", address=cluster.address, **settings)) as execute:
        execute(before[:1], folder, Counting())
        execute(before, folder, display, stop)
    return display


def numbers(folder: Path, stage: Stage) -> list[list[int]]:
    return [part.column("n").to_pylist() for part in store.read_parts(folder, stage)]


def double(rows: pa.Table, _: Any) -> pa.Table:
    return rows.set_column(1, NUMBERS.field("n"), pa.array([2 * n for n in rows.column("n").to_pylist()]))


DOUBLED = [[2 * n, 20 * n] for n in range(SHARDS)]


def test_a_shard_whose_worker_dies_is_made_by_another_and_is_there_once(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sign = tmp_path / "died"

    def dies_once(rows: pa.Table, _: Any) -> pa.Table:
        if rows.column("n")[0].as_py() == 1 and not sign.exists():
            sign.touch()
            os._exit(1)
        return double(rows, None)

    before = stages(fn=dies_once)
    display = made(cluster, tmp_path, before)
    assert numbers(tmp_path, before[1]) == DOUBLED
    assert (display.rows, display.ok) == (8, 8)
    assert losses(caplog) == ["stage 'mapped': a worker"]
    noted = sorted(path.name for path in (tmp_path / before[1].folder).iterdir())
    assert noted == ["manifest.json", *(f"part-0000{n}.parquet" for n in range(SHARDS))]


def test_a_shard_that_workers_die_of_ends_the_run_and_the_others_are_kept(cluster: Cluster, tmp_path: Path) -> None:
    def dies(rows: pa.Table, _: Any) -> pa.Table:
        if rows.column("n")[0].as_py() == 3:
            os._exit(1)
        return double(rows, None)

    with pytest.raises(ModelError, match=r"stage 'mapped', shard 3: 2 workers were lost with it, the last one so: "):
        made(cluster, tmp_path, stages(fn=dies), tries=2, workers=1)
    assert len(list((tmp_path / stages(fn=dies)[1].folder).glob("part-*.parquet"))) == 3


def test_an_error_of_a_worker_is_the_runs(cluster: Cluster, tmp_path: Path) -> None:
    def fails(rows: pa.Table, _: Any) -> pa.Table:
        raise ModelError("the model died", fix="give it more memory")

    with pytest.raises(ModelError) as found:
        made(cluster, tmp_path, stages(fn=fails))
    assert (found.value.what, found.value.fix) == ("the model died", "give it more memory")
    assert type(found.value) is ModelError


def test_a_bug_in_a_worker_has_its_traceback(cluster: Cluster, tmp_path: Path) -> None:
    def has_a_bug(rows: pa.Table, _: Any) -> pa.Table:
        return rows.drop_columns(["none"])

    with pytest.raises(KeyError) as found:
        made(cluster, tmp_path, stages(fn=has_a_bug))
    assert "in has_a_bug" in str(found.value)


def test_progress_totals_and_warnings_come_to_the_driver(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def counts(rows: pa.Table, progress: Any) -> pa.Table:
        for _ in range(rows.num_rows):
            await asyncio.sleep(0)
            progress.advance(1, 0, tokens=5)
        logging.getLogger("synth.test").warning("shard of %s", rows.column("id")[0])
        return double(rows, None)

    @contextlib.contextmanager
    def opened(workspace: Any) -> Iterator[Any]:
        yield workspace.progress
        workspace.progress.advance(0, 0, closed=1)

    display = made(cluster, tmp_path, stages(fn=counts, open=opened, rows_ahead=lambda _: 3), workers=2)
    assert (display.rows, display.ok, display.totals) == (8, 0, {"tokens": 40, "closed": 2})
    assert sorted(caplog.messages) == ["shard of r0", "shard of r1", "shard of r2", "shard of r3"]


def test_vectors_that_workers_embedded_are_kept_in_the_runs_folder(cluster: Cluster, tmp_path: Path) -> None:
    def embed(rows: pa.Table, encoder: Any) -> pa.Table:
        assert encoder.documents(["shared", *map(str, rows.column("n").to_pylist())]).shape == (rows.num_rows + 1, 512)
        return double(rows, None)

    @contextlib.contextmanager
    def opened(workspace: Any) -> Iterator[Any]:
        with workspace.keep("vectors/v.sqlite") as keep, encoders.opened(Hashing(kind="hashing")) as encoder:
            yield vectors.CachedEncoder(encoder, keep, "hashing")

    before = stages(fn=embed, open=opened)
    made(cluster, tmp_path, before)
    assert numbers(tmp_path, before[1]) == DOUBLED
    with kept.opened(tmp_path / "vectors/v.sqlite") as file:
        assert len(file) == 8  # 0, 1, 2, 3, 10, 20, 30, and the one that all share


def test_a_stage_that_wants_a_gpu_gets_one_and_one_that_does_not_goes_anywhere(
    cluster: Cluster, tmp_path: Path
) -> None:
    def gpus(rows: pa.Table, _: Any) -> pa.Table:
        number = len(ray.get_gpu_ids())
        return rows.set_column(1, NUMBERS.field("n"), pa.array([number] * rows.num_rows, pa.int64()))

    for wanted in (0, 1):
        before = stages(fn=gpus, gpus=wanted, settings={"gpus": wanted})
        made(cluster, tmp_path, before)
        assert numbers(tmp_path, before[1]) == [[wanted, wanted]] * SHARDS


def test_a_need_that_no_node_can_meet_says_what_there_is(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as found:
        made(cluster, tmp_path, stages(fn=double), cpus_per_worker=64)
    assert (
        found.value.what.startswith(
            "executor ray: a worker of stage 'mapped' needs 64 CPUs and 0 GPUs, and no node has as much: 127.0.0.1 has "
        )
        or " has 1 CPUs and 1 GPUs" in found.value.what
    )
    assert found.value.what.count(" has ") == 4


def test_without_a_worker_the_run_waits_and_then_says_for_what(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"stage 'mapped': no worker is ready after 1 s; each needs 64 CPUs and 0 GPUs"
    ):
        made(cluster, tmp_path, stages(fn=double), cpus_per_worker=64, workers=1, patience=1.0)


def test_a_stop_keeps_what_is_finished(cluster: Cluster, tmp_path: Path) -> None:
    stop = Stop(grace=20)
    begun = tmp_path / "begun"

    def slow(rows: pa.Table, _: Any) -> pa.Table:
        begun.touch()
        while not (tmp_path / "told").exists():
            time.sleep(0.001)
        return double(rows, None)

    def tell() -> None:
        while not begun.exists():
            time.sleep(0.001)
        stop.request("enough")
        (tmp_path / "told").touch()

    before = stages(fn=slow)
    telling = threading.Thread(target=tell)
    telling.start()
    with pytest.raises(Stopped, match=r"stopped early \(enough\)"):
        made(cluster, tmp_path, before, stop, workers=1)
    telling.join()
    assert 1 <= len(list((tmp_path / before[1].folder).glob("part-*.parquet"))) <= 2
    local.run(before, tmp_path, Counting())
    assert numbers(tmp_path, before[1]) == DOUBLED


# Parts that need no cluster.


class Handle:
    """A Keeper in this process, reached as an actor is; counts the calls that change something."""

    def __init__(self, keeper: _keeper.Keeper, loop: asyncio.AbstractEventLoop) -> None:
        self.keeper, self.loop = keeper, loop
        self.calls: list[int] = []

    @property
    def put(self) -> "Handle":
        return self

    def remote(self, path: Path, bodies: dict[bytes, bytes]) -> "asyncio.Future[None]":
        self.calls.append(len(bodies))
        return asyncio.ensure_future(self.keeper.put(path, bodies))


def test_answers_that_come_while_a_call_is_under_way_go_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    bodies = {b"%03d" % n: b"body %d" % n for n in range(100)}

    async def puts() -> list[int]:
        keeper = _keeper.Keeper()
        await keeper.open(path)
        handle = Handle(keeper, asyncio.get_running_loop())
        client = _keeper.Client(path, handle)
        await asyncio.gather(*(client.put(key, body) for key, body in bodies.items()))
        await keeper.close()
        return handle.calls

    assert asyncio.run(puts()) == [100]
    with kept.opened(path) as file:
        assert file.get_many(list(bodies)) == bodies


def job(folder: Path, stage: Map, **changes: Any) -> Job:
    before = stage.after[0]
    content = store.finished(folder / before.folder, before).content
    return replace(Job(stage, folder, str(folder), content, __version__, None), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"version": "0.0.0"}, f"has synth {__version__}, the driver 0.0.0"),
        ({"cwd": "/no/such/folder"}, "/no/such/folder, where synth was started, is not there"),
        ({"content": "other"}, "does not see the run"),
        ({"run": Path("/elsewhere")}, "does not see the run: /elsewhere/source-"),
    ],
)
def test_a_node_that_is_not_as_the_drivers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(_worker, "SEEN", 0.0)
    monkeypatch.chdir(tmp_path)
    before = stages(fn=double)
    local.run(before[:1], tmp_path, Counting())
    assert isinstance(before[1], Map)
    checked = job(tmp_path, before[1], **changes)
    if not message:
        _worker._check_place(checked)
        return
    with pytest.raises(StoreError) as found:
        _worker._check_place(checked)
    assert message in found.value.what
    assert found.value.what.startswith("node ")


@pytest.mark.parametrize(
    ("needs", "room"),
    [(Needs(1, 0), 10), (Needs(4, 0), 1), (Needs(0.5, 0), 20), (Needs(1, 1), 2), (Needs(1, 0.5), 3), (Needs(2, 2), 1)],
)
def test_as_many_workers_as_each_node_has_room_for(needs: Needs, room: int) -> None:
    nodes: Sequence[dict[str, Any]] = [
        {"NodeManagerAddress": "a", "Resources": {"CPU": 7.0}},
        {"NodeManagerAddress": "b", "Resources": {"CPU": 3.0, "GPU": 2.0}},
        {"NodeManagerAddress": "c", "Resources": {}},
    ]
    assert executor._room(nodes, needs, "stage") == room


def test_a_cluster_that_is_not_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
    with (
        pytest.raises(ModelError, match=f"executor ray: no cluster at '{address}': .*refused"),
        executor.open(executor.Settings(kind="ray", address=address)),
    ):
        pass


def test_the_address_of_a_ray_client_is_refused() -> None:
    with (
        pytest.raises(ConfigError, match="is an address of Ray Client"),
        executor.open(executor.Settings(kind="ray", address="ray://head:10001")),
    ):
        pass
