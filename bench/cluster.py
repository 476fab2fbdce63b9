"""What the ray executor costs per shard, and what a lost node costs, on a cluster that is simulated on this machine.

    python bench/cluster.py

Run it in the checkout, with the environment of `make test`; it takes about two minutes on two cores. Both executors run
the same config with an engine that answers at once and one passage per shard, so that nearly all time is overhead. Then a node
is killed, with its workers, in the middle of generate, and two are left. Exits 1 when a file differs or an answer was asked for
twice that was not in flight.
"""

import argparse
import logging
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from ray.cluster_utils import Cluster

sys.path.insert(0, str(Path(__file__).parents[1]))

from synth import config, pipeline, runs, store, timings
from synth.progress import shown
from synth.stage import Map
from tests.killing import IN_FLIGHT, Killer, contents
from tests.llm_server import LlmServer

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
CONFIG = """
name: run
outputs: {outputs}
corpus: {{path: {documents}, columns: {{text: text, id: id, title: title, language: language}}}}
tasks: {{retrieval: {{rows_per_passage: 2}}}}
engine: {{kind: scripted, in_flight: 64}}
embedder: {{kind: hashing}}
shard_rows: 1
"""


def timed(path: Path, *overrides: str, address: str = "") -> float:
    settings = config.load(
        path, [*overrides, *([f"executor.address={address}"] if address else [])], "ray" if address else "local"
    )
    started = time.monotonic()
    with shown() as display:
        runs.run(settings, display)
    return time.monotonic() - started


def per_shard(path: Path, *overrides: str) -> tuple[dict[str, float], dict[str, int]]:
    """Return seconds and shards per map of a finished run."""
    settings = config.load(path, overrides)
    maps = [stage for stage in pipeline.build(settings).stages if isinstance(stage, Map)]
    shards = {stage.name: len(store.finished(settings.folder / stage.folder, stage).parts) for stage in maps}
    return {stage.name: timings.seconds(settings.folder, stage) for stage in maps}, shards


def overhead(folder: Path, cluster: Cluster, trials: int) -> bool:
    path = folder / "overhead.yaml"
    documents = Path(__file__).parents[1] / "examples" / "corpus" / "documents.jsonl"
    path.write_text(CONFIG.format(outputs=folder, documents=documents))
    times: dict[str, list[dict[str, float]]] = {"local": [], "ray": []}
    shards: dict[str, int] = {}
    same = True
    for trial in range(trials):
        found = {}
        for kind, address in (("local", ""), ("ray", cluster.address)):
            outputs = f"outputs={folder / f'{kind}-{trial}'}"
            timed(path, outputs, address=address)
            seconds, shards = per_shard(path, outputs)
            times[kind].append(seconds)
            found[kind] = contents(config.load(path, [outputs]).folder)
        same &= found["local"] == found["ray"]
    print(
        f"{'stage':<12} {'shards':>6} {'local ms':>9} {'ray ms':>8} {'ratio':>6}   per shard, median of {trials} runs"
    )
    for name, number in shards.items():
        local, ray = (1000 * statistics.median(one[name] for one in times[kind]) / number for kind in ("local", "ray"))
        print(f"{name:<12} {number:>6} {local:>9.1f} {ray:>8.1f} {ray / local:>6.2f}")
    local, ray = (statistics.median(sum(one.values()) for one in times[kind]) for kind in ("local", "ray"))
    print(
        f"{'all':<12} {sum(shards.values()):>6} {local:>8.1f}s {ray:>7.1f}s {ray / local:>6.2f}   (the first stage starts the workers)"
    )
    return same


class _Seen(logging.Handler):
    at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if "was lost" in record.getMessage():
            self.at = self.at or time.monotonic()


def lost_node(folder: Path, cluster: Cluster) -> bool:
    with LlmServer(latency=0.3) as server:
        killer = Killer(folder, server, random.Random(0))
        paths = {name: killer.config(name) for name in ("here", "whole", "lost")}
        timed(paths["here"])
        wanted = contents(config.load(paths["here"]).folder)
        third = cluster.add_node(**NODE)
        undisturbed = timed(paths["whole"], address=cluster.address)
        server.asked.clear()
        at: list[float] = []

        def lose() -> None:
            while server.asked.total() < 20:
                time.sleep(0.001)
            raylet = psutil.Process(third.all_processes["raylet"][0].process.pid)
            at.append(time.monotonic())
            for process in [raylet, *raylet.children(recursive=True)]:
                process.kill()
            cluster.remove_node(third, allow_graceful=False)

        seen = _Seen()
        logging.getLogger("synth").addHandler(seen)
        losing = threading.Thread(target=lose)
        losing.start()
        seconds = timed(paths["lost"], address=cluster.address)
        losing.join()
        logging.getLogger("synth").removeHandler(seen)
        found = contents(config.load(paths["lost"]).folder)
        twice = server.asked.total() - len(server.asked)
    differ = sum(found.get(name) != wanted.get(name) for name in {*found, *wanted})
    print(
        f"lost node: noticed after {seen.at - at[0]:.2f} s; the run took {seconds:.1f} s, undisturbed {undisturbed:.1f} s"
    )
    print(
        f"lost node: {differ} of {len(wanted)} files differ; {twice} requests asked twice, {IN_FLIGHT} were in flight there"
    )
    return not differ and twice <= IN_FLIGHT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=3)
    arguments = parser.parse_args()
    cluster: Any = Cluster()
    try:
        cluster.add_node(**(NODE | {"num_cpus": 0}), include_dashboard=False)
        for _ in range(2):
            cluster.add_node(**NODE)
        with tempfile.TemporaryDirectory() as folder:
            same = overhead(Path(folder), cluster, arguments.trials)
            print(f"files: {'the same' if same else 'NOT THE SAME'}")
            held = lost_node(Path(folder), cluster)
    finally:
        cluster.shutdown()
    return 0 if same and held else 1


if __name__ == "__main__":
    sys.exit(main())
