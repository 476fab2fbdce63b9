"""`synth publish` as a process of its own, killed with SIGKILL in the middle of an upload, and started again."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from synth import runs
from synth.config import Config
from synth.progress import shown
from synth.publishing import contents
from tests.hub_server import TOKEN, HubServer
from tests.publishing import toy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run whose dataset has several shards."""
    made = toy.settings(tmp_path_factory.mktemp("killed"), limit=24)
    made = made.model_copy(update={"publish": made.publish.model_copy(update={"shard_mb": 0.004})})
    with shown() as display:
        runs.run(made, display)
    return made


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def start(run: Config, hub: HubServer, folder: Path) -> "subprocess.Popen[str]":
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(run.model_dump(mode="json", exclude_defaults=True)))
    own = {
        **os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(folder / "hf"),
    }  # fmt: skip
    command = [sys.executable, "-m", "synth", "publish", str(path), "--repo", "user/toy", "--json"]
    return subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("step", "after", "commits"),
    [("PUT upload", 0, 0), ("PUT upload", 3, 0), ("POST commit", 0, 1), ("POST tag", 0, 1)],
)
def test_a_killed_upload_goes_on_sends_what_is_missing_and_commits_once(
    step: str, after: int, commits: int, run: Config, hub: HubServer, tmp_path: Path
) -> None:
    """The server gets what was sent before the kill: an upload, the commit, the tag. Their answers reach nobody."""
    large = {
        item.sha256: item.source.read_bytes()
        for path, item in contents.of(run).items.items()
        if path.endswith(".parquet")
    }
    assert len(large) > 5
    threads = threading.active_count()
    process = start(run, hub, tmp_path)

    def kill() -> None:
        while len(hub.large) < after:  # uploads go side by side: those before are to be there
            time.sleep(0.01)
        process.kill()

    hub.faults = {step: [lambda: None] * after + [kill]}
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -9, errors
    last = time.monotonic() + 30
    while threading.active_count() > threads and time.monotonic() < last:  # what is on its way to the server
        time.sleep(0.01)
    repo = hub.repos["user/toy"]
    assert len(repo.commits) == 1 + commits  # the Hub's own first one, and ours
    there = {*hub.large}
    assert (len(there) > after) if step == "PUT upload" else there == {*large}
    hub.faults, hub.asked = {}, type(hub.asked)()

    process = start(run, hub, tmp_path)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert hub.asked["PUT upload"] == len({*large} - there)
    assert hub.sent == sum(map(len, large.values()))  # none of them twice
    assert (hub.asked["POST commit"], len(repo.commits)) == (1 - commits, 2)
    assert repo.tags == {contents.of(run).tag: repo.branches["main"]}
    assert {oid for oid in large if large[oid] in repo.files.values()} == {*large}
    assert json.loads(out)["state"] == ("nothing_new" if step == "POST tag" else "done")
