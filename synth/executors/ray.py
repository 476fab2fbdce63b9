"""Run stages over a Ray cluster: maps on its nodes, everything else here, as the local executor does.

The driver reads shards, sends them through Ray's object store to workers (an actor each, with the stage open), and writes
what comes back: only it writes into the run's folder, so a shard that was made twice is there once. What a lost worker had
under way goes back to the others; what it had been answered is in the journal.
"""

import contextlib
import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from pydantic import Field

from synth.errors import ConfigError, ModelError, install
from synth.executors import Executor, local
from synth.executors._driver import Crew, Needs, make
from synth.executors._keeper import Keeper
from synth.executors._worker import Worker
from synth.settings import KindSettings
from synth.stage import Workspace

_KNOCKING = 10.0
"""Seconds in which the cluster's head must answer."""
_log = logging.getLogger(__name__)


class Settings(KindSettings):
    """Workers on all nodes of a cluster, each with the stage open; the driver must run on one of the nodes."""

    kind: Literal["ray"]
    address: str | None = None
    """`auto`, or host:port of the cluster's head. Without one $RAY_ADDRESS counts, and without that a cluster of this
    machine alone is started for the run."""
    workers: int | None = Field(None, ge=1, le=10_000)
    """Workers to ask for; those for which there is no room yet come when there is. Without it, as many as fit the nodes
    that are there."""
    cpus_per_worker: float = Field(1, gt=0, le=1000)
    """CPUs that a worker takes of its node."""
    gpus_per_worker: float | None = Field(None, ge=0, le=1000)
    """Without it, as many as the stage needs: an engine or embedder on a GPU, none for the others."""
    tries: int = Field(3, ge=1, le=100)
    """Workers that may be lost with the same shard before the run ends."""
    patience: float = Field(1800, gt=0)
    """Seconds to go on while no worker is ready: until an autoscaler has brought a node, and its model is loaded."""


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[Executor]:
    """Connect to the cluster, or start one. Raises ModelError when it cannot."""
    with _connected(settings.address) as ray:
        cluster = _Cluster(settings, ray)
        try:
            yield partial(local.run, compute=cluster.compute)
        finally:
            cluster.dismiss()


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    if address and "://" in address:
        raise ConfigError(
            f"executor.address: {address!r} is an address of Ray Client, from outside of the cluster",
            fix="start synth on one of the cluster's nodes (`ray job submit` does), with `--address auto`",
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ModelError(
            f"executor ray: cannot be imported: {error}", fix=f"{install('ray')}, or `--executor local`"
        ) from error
    if ray.is_initialized():  # by a program that calls synth: its connection, and its to end
        yield ray
        return
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    _hush(ray)
    with _signals_kept():
        try:
            _knock(where)
            ray.init(
                where,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({"include_dashboard": False} if where == "local" else {}),
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"executor ray: no cluster at {where!r}: {str(error).strip()[:500]}",
                fix="start one with `ray start --head` (and `ray start --address HEAD:6379` on the others), or mend --address",
            ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(where: str) -> None:
    """Raise OSError when nobody listens there: Ray would try for minutes, deaf to signals."""
    host, _, port = where.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCKING).close()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray makes SIGTERM end the process on the spot: synth's own handler finishes what is under way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hush(ray: Any) -> None:
    """Ray prints what raylets say, pages of it when a node is lost, on stdout, where results go; no setting stops it."""
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda data, ignore_prefix=False: _log.info("ray: %s", data)


@dataclass
class _Cluster:
    """The connection, and the workers that stay from stage to stage as long as stages need the same."""

    settings: Settings
    ray: Any
    idle: list[Any] = field(default_factory=list)
    """Actors without an open stage."""
    needs: Needs | None = None
    """What those have."""
    _keeper: Any = None

    def compute(self, shards: local.Shards, missing: Sequence[int], workspace: Workspace) -> None:
        """A local.Compute: make shards by workers."""
        stage, nodes = shards.stage, [node for node in self.ray.nodes() if node["Alive"]]
        needs = self._needed(stage.gpus, nodes)
        if needs != self.needs:  # one pool at a time: it may hold all CPUs, or the GPU
            self.dismiss()
            self.needs = needs
        wanted = min(self.settings.workers or _room(nodes, needs, stage.name), len(missing))
        while len(self.idle) < wanted:
            self.idle.append(self.start())
        settings, there = self.settings, partial(_there, self.ray)
        crew = Crew(self.ray, self.keeper, needs, self.start, settings.tries, settings.patience, there)
        taken, self.idle = self.idle[:wanted], self.idle[wanted:]
        self.idle += make(crew, taken, shards, missing, workspace)
        self.ray.get(self.keeper.close.remote())

    def start(self) -> Any:
        assert self.needs is not None
        options = {"num_cpus": self.needs.cpus, "num_gpus": self.needs.gpus, "scheduling_strategy": "SPREAD"}
        return self.ray.remote(Worker).options(max_restarts=0, max_task_retries=0, **options).remote()

    @property
    def keeper(self) -> Any:
        """The Keeper's handle: on the driver's node, whose disk the run's files may be on."""
        if self._keeper is None:
            here = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                self.ray.get_runtime_context().get_node_id(), soft=False
            )
            self._keeper = self.ray.remote(Keeper).options(num_cpus=0, scheduling_strategy=here).remote()
        return self._keeper

    def dismiss(self) -> None:
        for actor in self.idle:
            self.ray.kill(actor)
        self.idle = []

    def _needed(self, gpus: int, nodes: Sequence[Mapping[str, Any]]) -> Needs:
        settings = self.settings
        has_gpus = any(node["Resources"].get("GPU") for node in nodes)
        wanted = settings.gpus_per_worker if settings.gpus_per_worker is not None else gpus if has_gpus else 0
        return Needs(settings.cpus_per_worker, wanted)


def _room(nodes: Sequence[Mapping[str, Any]], needs: Needs, stage: str) -> int:
    """Return how many workers fit. Raises ModelError when none does."""
    room: int = sum(
        math.floor(min(node["Resources"].get(kind, 0) / number for kind, number in needs.resources.items()))
        for node in nodes
    )
    if not room:
        raise ModelError(
            f"executor ray: a worker of stage {stage!r} needs {needs}, and no node has as much: {_there_are(nodes)}",
            fix="lower executor.cpus_per_worker, executor.gpus_per_worker or engine.tensor_parallel_size; for a cluster "
            "that grows, give executor.workers",
        )
    return room


def _there(ray: Any) -> str:
    return _there_are([node for node in ray.nodes() if node["Alive"]])


def _there_are(nodes: Sequence[Mapping[str, Any]]) -> str:
    resources = [node["Resources"] for node in nodes]
    return "; ".join(
        f"{node['NodeManagerAddress']} has {Needs(has.get('CPU', 0), has.get('GPU', 0))}"
        for node, has in zip(nodes, resources, strict=True)
    )
