"""Kill real runs with SIGKILL at random instants, resume them, and compare what comes out with an undisturbed run.

Each trial is a new run of `synth run` in a process of its own against a small real HTTP server. It is killed a few times,
each time at a random instant of a random stage (or of the start-up), and gone on with. What must hold:

- all files of all stages and rounds, the dataset among them, are those of the undisturbed run, byte for byte;
- a request is asked twice only if it was in flight when a kill came;
- `verify` finds nothing.

`tests/test_kill.py` kills a few dozen times, `bench/kill.py` as often as one likes.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from synth import config, ledger, pipeline, store, timings
from synth.stage import Stage
from synth.verify import verify
from tests.llm_server import LlmServer

IN_FLIGHT = 8
CONFIG = """
name: run
outputs: {outputs}
seed: 1
corpus: {{path: {documents}, columns: {{text: text, id: id, title: title, language: language}}, limit: 24}}
tasks: {{retrieval: {{rows_per_passage: 4}}}}
targets: [{{task: retrieval, difficulty: {{phd: 1, university: 2}}, rows: 30}}]
engine: {{kind: server, url: "{url}", model: scripted, in_flight: {in_flight}}}
embedder: {{kind: hashing}}
reranker: {{kind: lexical}}
judge: {{max_negative: 0.9}}
score: {{min_cosine: 0.05, max_rank: 5}}
negatives: {{per_query: 2}}
publish: {{validation: 0.3, licence: cc0-1.0}}
max_failed: 0
shard_rows: 3
"""
START = "start-up"
_NOT_COMPARED = {"timings.jsonl", ".lock", "run.yaml"}
"""When it ran and who owned it: another run's are its own. run.yaml names the folder."""


@dataclass
class Report:
    """What trials came to."""

    kills: Counter[str] = field(default_factory=Counter)
    """By the first stage that was not finished when the kill came."""
    asked_twice: int = 0
    most_asked_twice: int = 0
    """In one trial, per kill."""
    differences: list[str] = field(default_factory=list)
    trials: int = 0


@dataclass(frozen=True)
class Killer:
    folder: Path
    server: LlmServer
    draw: random.Random

    def config(self, name: str) -> Path:
        path = self.folder / f"{name}.yaml"
        documents = Path(__file__).parents[1] / "examples" / "corpus" / "documents.jsonl"
        path.write_text(
            CONFIG.format(outputs=self.folder / name, documents=documents, url=self.server.url, in_flight=IN_FLIGHT)
        )
        return path

    def start(self, path: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "synth", "run", str(path), "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, path: Path) -> None:
        """Run to the end. Raises when the exit code is not 0."""
        process = self.start(path)
        _, errors = process.communicate(timeout=300)
        if process.returncode:
            raise RuntimeError(f"exit {process.returncode}: {errors}")

    def reference(self) -> tuple[dict[str, bytes], dict[str, float]]:
        """Run undisturbed; return the files that it leaves, and about how long each stage takes."""
        path = self.config("undisturbed")
        started = time.monotonic()
        self.finish(path)
        seconds = time.monotonic() - started
        settings = config.load(path)
        # Of all rounds together: so a kill comes in any of them, or in a stage after.
        times = {stage.name: timings.seconds(settings.folder, stage) for stage in pipeline.build(settings).stages}
        times[START] = max(0.1, seconds - sum(times.values()))
        return contents(settings.folder), times

    def trial(self, name: str, kills: int, wanted: dict[str, bytes], times: dict[str, float], report: Report) -> None:
        """Run anew, kill it `kills` times at most, let it finish, and add to the report."""
        path = self.config(name)
        settings = config.load(path)
        stages = pipeline.build(settings).stages
        self.server.asked.clear()
        targets = sorted(self.draw.choices(range(-1, len(stages)), k=kills))
        done = 0
        for target in targets:
            if self.kill(path, settings.folder, stages, target, times, report):
                done += 1
        self.finish(path)
        twice = self.server.asked.total() - len(self.server.asked)
        report.trials += 1
        report.asked_twice += twice
        report.most_asked_twice = max(report.most_asked_twice, -(-twice // max(1, done)))
        found = contents(settings.folder)
        for file in sorted({*wanted, *found}):
            if found.get(file) != wanted.get(file):
                report.differences.append(f"{name}: {file}")
        report.differences += [f"{name}: {problem}" for problem in verify(stages, settings.folder)]
        if twice > done * IN_FLIGHT:
            report.differences.append(
                f"{name}: {twice} requests asked twice, in {done} kills with {IN_FLIGHT} in flight"
            )

    def kill(
        self, path: Path, run: Path, stages: list[Stage], target: int, times: dict[str, float], report: Report
    ) -> bool:
        """Start, wait until the stage numbered `target` is being written (-1: until nothing), wait a random part of its
        time, and kill. Return false when the run was over before."""
        process = self.start(path)
        try:
            if target >= 0:
                folder = run / stages[target].folder
                signs = (folder / ledger.FILE, folder.with_name(f".{folder.name}.new"), folder / store.MANIFEST)
                while process.poll() is None and not any(map(os.path.exists, signs)):
                    time.sleep(0.001)
            time.sleep(self.draw.random() * 1.2 * times[stages[target].name if target >= 0 else START])
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()
        if process.returncode != -signal.SIGKILL:
            return False
        at = next((stage.name for stage in stages if not store.is_finished(run, stage)), "end")
        report.kills[START if not run.exists() else at] += 1
        return True


def contents(run: Path) -> dict[str, bytes]:
    """Return all files of a run but those that are its own; the journal's are compared by what they do."""
    return {
        name: path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file()
        and not (name := str(path.relative_to(run))).startswith("responses/")
        and name not in _NOT_COMPARED
    }
