"""How runs end before they are through: signals, time, a full disk, a folder that cannot be written, another owner.

Real processes, real signals, a real HTTP server; in each case running again comes to the same dataset, and nothing that
was answered is asked again.
"""

import ctypes
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synth import config, store
from tests.killing import IN_FLIGHT, Killer, contents
from tests.llm_server import LlmServer


@pytest.fixture(scope="module")
def server() -> Iterator[LlmServer]:
    with LlmServer(latency=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def killer(server: LlmServer, tmp_path_factory: pytest.TempPathFactory) -> Killer:
    return Killer(tmp_path_factory.mktemp("ends"), server, random.Random(0))


@pytest.fixture(scope="module")
def whole(killer: Killer) -> dict[str, bytes]:
    """The files of an undisturbed run."""
    return killer.reference()[0]


def start(path: Path, *options: str, limit: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "synth", "run", str(path), "--json", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit)


def once_asked(server: LlmServer, requests: int, process: "subprocess.Popen[str]") -> None:
    """Wait until the run is in the middle of its questions."""
    while server.asked.total() < requests and process.poll() is None:
        time.sleep(0.002)


def goes_on(killer: Killer, path: Path, whole: dict[str, bytes], asked_twice: int = 0) -> None:
    """Run again, to the end: the same files, and nothing asked again that was answered, but for so many at most."""
    killer.finish(path)
    assert contents(config.load(path).folder) == whole
    assert killer.server.asked.total() - len(killer.server.asked) <= asked_twice


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_finish(
    killer: Killer, whole: dict[str, bytes], number: signal.Signals
) -> None:
    killer.server.asked.clear()
    killer.server.latency = 0.2  # two seconds for all: time enough to send a signal in the middle
    path = killer.config(number.name)
    process = start(path)
    once_asked(killer.server, 30, process)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 8, errors
    told = f"stopped early ({number.name}) in stage 'generate': what is finished, and every answer so far, is kept"
    fix = "run the same command again to go on"
    assert json.loads(out) == {"state": "stopped", "exit_code": 8, "error": told, "fix": fix}
    assert f"{number.name}: finishing what is in flight, 20 s at most" in errors
    assert f"error: {told}\n" in errors
    assert "run the same command again to go on" in errors
    assert 30 <= killer.server.asked.total() < 96
    killer.server.latency = 0.02
    goes_on(killer, path, whole)


def test_time_that_is_over_ends_a_run_the_same_way(killer: Killer, whole: dict[str, bytes]) -> None:
    killer.server.asked.clear()
    killer.server.latency = 0.3  # 96 requests, 8 at once: some seconds more than there are
    path = killer.config("max-time")
    process = start(path, "--max-time", "2.5s")
    out, errors = process.communicate(timeout=60)
    killer.server.latency = 0.02
    assert process.returncode == 8, errors
    assert json.loads(out)["error"].startswith("stopped early (--max-time: 2.5 s are over)")
    goes_on(killer, path, whole)


def test_what_does_not_finish_in_the_grace_time_is_broken_off(killer: Killer, whole: dict[str, bytes]) -> None:
    killer.server.asked.clear()
    killer.server.latency = 600
    path = killer.config("grace")
    process = start(path, "--grace", "0.2s")
    once_asked(killer.server, 8, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    killer.server.latency = 0.02
    assert process.returncode == 8, errors
    goes_on(killer, path, whole, asked_twice=8)


def test_a_second_sigint_leaves_at_once_and_nothing_is_broken(killer: Killer, whole: dict[str, bytes]) -> None:
    killer.server.asked.clear()
    killer.server.latency = 600
    path = killer.config("twice")
    process = start(path)
    once_asked(killer.server, 8, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "finishing what is in flight" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    killer.server.latency = 0.02
    assert process.returncode == 130
    goes_on(killer, path, whole, asked_twice=8)


def test_a_second_run_says_who_owns_the_first(killer: Killer, whole: dict[str, bytes]) -> None:
    killer.server.asked.clear()
    killer.server.latency = 0.5  # six seconds for all: longer than the second takes to start
    path = killer.config("owner")
    first = start(path)
    once_asked(killer.server, 8, first)
    second = start(path)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 5
    assert f"in use by pid {first.pid} on {os.uname().nodename} since 20" in " ".join(errors.split())
    assert "wait for it, stop it, or give this run another `name`" in " ".join(errors.split())
    killer.server.latency = 0.02
    assert first.wait(timeout=60) == 0
    goes_on(killer, path, whole)


def test_a_disk_that_fills_up_anywhere_is_said_and_gone_on_with(killer: Killer, whole: dict[str, bytes]) -> None:
    """Files may not grow over a limit: the system refuses the write, as it does on a full disk."""
    killer.server.asked.clear()
    path = killer.config("full")
    folder = config.load(path).folder
    for kilobytes in (2, 12, 40, 80, 100):
        limit = kilobytes * 1024
        process = start(path, limit=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))  # type: ignore[misc]
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in errors) == (5, False), (kilobytes, errors)
        assert "free disk space" in errors
        assert not list(folder.glob("*/.*.tmp"))
    # Answers that came when there was no room for them are lost: those in flight, each time.
    goes_on(killer, path, whole, asked_twice=5 * IN_FLIGHT)


def as_others() -> None:
    """Take from root, whom no permission stops, the right to write anywhere (CAP_DAC_OVERRIDE), from `exec` on."""
    if os.getuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0):  # PR_CAPBSET_DROP
        raise OSError("this root may not give up a right")


def test_a_folder_that_cannot_be_written_is_named(killer: Killer) -> None:
    path = killer.config("read-only")
    outputs = killer.folder / "read-only"
    outputs.mkdir()
    outputs.chmod(0o555)
    process = start(path, limit=as_others)
    _, errors = process.communicate(timeout=60)
    said = " ".join(errors.split())
    assert process.returncode == 5, errors
    assert f"error: {outputs}/run: cannot be made or written: Permission denied" in said
    assert "fix: free disk space or mend permissions" in said


def test_json_has_the_account(killer: Killer, whole: dict[str, bytes]) -> None:
    """planned = written + rejected + failed, for a scheduler to read."""
    process = start(killer.folder / "undisturbed.yaml")
    out, _ = process.communicate(timeout=60)
    account = json.loads(out)["account"]
    assert account["planned"] > 30
    assert account["written"] == 30
    assert account["planned"] == account["written"] + sum(account["rejected"].values())
    assert account["failed"] == {}
    assert store.manifest(config.load(killer.folder / "undisturbed.yaml").folder / "dataset") is not None
