"""The ceiling of orchestration: how many requests a second each tool gets through when the model costs nothing.

    python -m bench.ceiling [--requests 5000] [--rounds 3] [--latency 0 0.05] [--sides synth …] [--profile]

Run it in the checkout, with the environment of `make test`. The server (bench/instant.py) has a core of its own, the last
one; what is measured may use all. Each side is a process that is given the same prompts, of about 120 words, and times
itself from its first request to its last answer, without its start. All sides take turns, round by round, so that what else
the machine does hits all alike; the table has the median, and what the server said of its own use of CPU.

Peers (bench/peers/) are installed each into a virtual environment of its own under `--environments`, once; what does not
install in `--patience` seconds is left out, and named. They are asked to keep as many requests under way.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import texts
from synth import prompts

HERE = Path(__file__).parent
WORDS = 100
"""Of a passage; the template's come on top."""


@dataclass(frozen=True)
class Side:
    name: str
    driver: str
    """A script of bench/peers/."""
    durable: str
    """What survives a kill."""
    packages: tuple[str, ...] = ()
    """What it needs; nothing: it runs in this environment."""
    options: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        return self.packages[0].split("[")[0].split("=")[0]


DATATROVE = ("datatrove[io]==0.10.1", "aiofiles", "aiosqlite", "httpx", "orjson", "xxhash")
SIDES = [
    Side("bare aiohttp", "bare.py", "nothing"),
    Side("openai client", "openai_client.py", "nothing"),
    Side("synth", "synth_generate.py", "every answer"),
    Side("datatrove", "datatrove_runner.py", "the end's file", DATATROVE),
    Side("datatrove, checkpoints", "datatrove_runner.py", "answers, some time after", DATATROVE, ("--checkpoints",)),
    Side("distilabel", "distilabel_pipeline.py", "not checked", ("distilabel[openai]==1.5.3", "requests")),
    Side("curator", "curator_llm.py", "not checked", ("bespokelabs-curator==0.1.31",)),
    Side("sdg_hub", "sdg_hub_flow.py", "nothing", ("sdg-hub==0.9.4",)),
    Side("data_designer", "data_designer_run.py", "not checked", ("data-designer==0.9.7",)),
]


@dataclass(frozen=True)
class Measured:
    seconds: float
    answers: int
    server: float
    """Share of its core that the server was busy for, of the time measured; its connections and what was not timed count, too."""
    more: Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Requests a second that each tool gets through, on a server that costs none."
    )
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0, 0.05], help="seconds that an answer takes")
    parser.add_argument("--sides", nargs="+", metavar="NAME", help=f"of: {', '.join(side.name for side in SIDES)}")
    parser.add_argument("--environments", type=Path, default=Path("outputs/bench-peers"))
    parser.add_argument("--patience", type=float, default=300, help="seconds for installing a peer")
    parser.add_argument("--profile", action="store_true", help="profile synth, and nothing else")
    given = parser.parse_args()
    unknown = set(given.sides or []) - {side.name for side in SIDES}
    if unknown:
        parser.error(
            f"--sides: unknown {', '.join(sorted(unknown))}; there are: {', '.join(side.name for side in SIDES)}"
        )
    chosen = [side for side in SIDES if given.sides is None or side.name in given.sides]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder, given.requests)
        if given.profile:
            (synth,) = (side for side in SIDES if side.name == "synth")
            with served(given.latency[0]) as url:
                print(ran(synth, Path(sys.executable), url, folder, given.in_flight, "--profile").stdout)
            return
        pythons = {
            side.name: python for side in chosen if (python := installed(side, given.environments, given.patience))
        }
        chosen = [side for side in chosen if side.name in pythons]
        for latency in given.latency:
            with served(latency) as url:
                rounds = [
                    {side.name: measured(side, pythons[side.name], url, folder, given.in_flight) for side in chosen}
                    for _ in range(given.rounds)
                ]
            print(
                f"\n{given.requests:,} requests, {given.in_flight} in flight, answered in {latency * 1000:g} ms, median of {given.rounds}\n"
            )
            show(chosen, rounds, given.requests)


def write(folder: Path, number: int) -> None:
    """Write the passages, and the prompts that synth renders of them, so that all ask the same."""
    corpus = folder / "corpus.jsonl"
    texts.write(corpus, number, WORDS)
    templates = prompts.load(str(HERE / "onestep/prompts"))
    with (folder / "prompts.jsonl").open("w", encoding="utf-8") as out:
        for line in corpus.read_text(encoding="utf-8").splitlines():
            (message,) = templates.render("onestep/ask", {"passage": json.loads(line)["text"], "ordinal": 1})
            out.write(json.dumps({"prompt": message.content}) + "\n")


@contextmanager
def served(latency: float) -> Iterator[str]:
    """Start the server on the last core; yield its URL, up to and including /v1."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    command = [sys.executable, str(HERE / "instant.py"), "--latency", str(latency), "--core", str(core)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.terminate()


def installed(side: Side, folder: Path, patience: float) -> Path | None:
    """Return the Python that a side runs in, and make its environment when there is none."""
    if not side.packages:
        return Path(sys.executable)
    python = (folder / side.environment / "bin/python").absolute()
    done = folder / side.environment / "installed.txt"
    if done.exists() and done.read_text() == "\n".join(side.packages):
        return python
    print(f"{side.name}: installing {' '.join(side.packages)}", file=sys.stderr)
    venv.create(folder / side.environment, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *side.packages]
    try:
        subprocess.run(command, check=True, timeout=patience)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{side.name}: left out, as it does not install: {error}")
        return None
    done.write_text("\n".join(side.packages))
    return python


def ran(
    side: Side, python: Path, url: str, folder: Path, in_flight: int, *more: str
) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        # synth's corpus is made into passages and plans once; what it writes anew it removes itself.
        place = folder / "synth" if side.name == "synth" else Path(own)
        options = {"url": url, "prompts": folder / "prompts.jsonl", "corpus": folder / "corpus.jsonl", "folder": place}
        command = [str(python), str(HERE / "peers" / side.driver), *side.options, *more]
        for name, value in (options | {"in-flight": in_flight}).items():
            command += [f"--{name}", str(value)]
        quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PYTHONPATH": str(HERE.parent.absolute())}
        # No tool may ask for more than loopback: telemetry is off, and caches are in a folder that goes.
        quiet |= {
            "TELEMETRY_ENABLED": "0",
            "DO_NOT_TRACK": "1",
            "HF_HOME": own,
            "CURATOR_CACHE_DIR": own,
            "OPENAI_API_KEY": "none",
        }
        return subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False, timeout=600)


def measured(side: Side, python: Path, url: str, folder: Path, in_flight: int) -> Measured | None:
    """Run one side once; null, and a line that says why, when it fails."""
    before = stats(url)
    try:
        process = ran(side, python, url, folder, in_flight)
        found = json.loads(process.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        why = str(error) if isinstance(error, subprocess.TimeoutExpired) else process.stderr[-2000:]
        print(f"{side.name}: failed: {why}", file=sys.stderr)
        return None
    after = stats(url)
    print(f"{side.name}: {found['answers'] / found['seconds']:,.0f}/s", file=sys.stderr)
    seconds, answers = found.pop("seconds"), found.pop("answers")
    return Measured(seconds, answers, (after["cpu"] - before["cpu"]) / seconds, found)


def stats(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as reply:
        found: dict[str, float] = json.load(reply)
    return found


def show(sides: list[Side], rounds: list[dict[str, Measured | None]], requests: int) -> None:
    print("| side | requests/s | lowest–highest | of the bare loop | kept through a kill | server busy | answers |")
    print("|---|---|---|---|---|---|---|")
    bare = rate([taken["bare aiohttp"] for taken in rounds if taken.get("bare aiohttp")])
    for side in sides:
        taken = [one for each in rounds if (one := each[side.name])]
        if not taken:
            print(f"| {side.name} | failed | | | | | |")
            continue
        rates = [one.answers / one.seconds for one in taken]
        ratio = f"{rate(taken) / bare:.2f}" if bare else ""
        answers = min(one.answers for one in taken)
        print(
            f"| {side.name} | {rate(taken):,.0f} | {min(rates):,.0f}–{max(rates):,.0f} | {ratio} | {side.durable} "
            f"| {statistics.median(one.server for one in taken):.0%} | {answers:,} of {requests:,} |"
        )
        for one in taken[-1:]:
            if "stages" in one.more:
                print(f"\n{side.name}, seconds by stage: {one.more['stages']}\n", file=sys.stderr)


def rate(taken: list[Any]) -> float:
    return statistics.median(one.answers / one.seconds for one in taken) if taken else 0.0


if __name__ == "__main__":
    main()
