"""The DAG by Airflow's own DagBag, and run for real: `make test-airflow`, in an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif("SYNTH_AIRFLOW" not in os.environ, reason="run by `make test-airflow`"),
]
ROOT = Path(__file__).parents[2]
DAGS = ROOT / "deploy/airflow"
SYNTH = os.environ.get("SYNTH_AIRFLOW", "")
"""Python of the environment that has synth."""
BAG = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
dag = bag.dags.get("synth_nightly")
print(json.dumps({"errors": bag.import_errors, "tasks": dag and {
    task.task_id: {"skip": list(task.skip_on_exit_code), "retries": task.retries, "after": sorted(task.upstream_task_ids)}
    for task in dag.tasks}}))
"""
TEST = """
import json, sys
from datetime import timedelta
from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select
dag = DagBag(sys.argv[1]).dags["synth_nightly"]
for task in dag.tasks:
    task.retry_delay = timedelta(seconds=1)
run = dag.test()
with create_session() as session:
    found = session.scalars(select(XComModel).where(XComModel.run_id == run.run_id)).all()
    print("XCOM", json.dumps({one.task_id: one.value for one in found if one.key == "return_value"}))
print("STATES", json.dumps({ti.task_id: [str(ti.state), ti.try_number] for ti in run.get_task_instances()}))
"""
CONFIG = """
name: nightly
outputs: outputs
corpus: {path: corpus, columns: {text: text, id: id, title: title, language: language}, licence: CC0-1.0}
tasks: {retrieval: {}}
engine: {kind: scripted}
embedder: {kind: hashing}
score: {max_rank: 5, min_cosine: 0.05}
publish: {licence: CC0-1.0}
"""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a program of ours with Airflow's database in a folder of its own."""
    home = tmp_path_factory.mktemp("airflow")
    own = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SYNTH_"))},
        "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], env=own, check=True, capture_output=True, timeout=300
    )

    def run(program: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, str(DAGS)], env={**own, **environment}, capture_output=True, text=True, timeout=300
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder like /srv/synth, with a config of the scripted engine."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/nightly.yaml").write_text(CONFIG)
    lines = (ROOT / "examples/corpus/documents.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "corpus/monday.jsonl").write_text("\n".join(lines[:16]), encoding="utf-8")
    synth = tmp_path / ".venv/bin/synth"
    synth.parent.mkdir(parents=True)
    synth.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {SYNTH} -m synth "$@"\n')
    synth.chmod(0o755)
    return tmp_path


def found(airflow: Callable[..., str], **environment: str) -> Any:
    return json.loads(airflow(BAG, **environment).splitlines()[-1])


def night(airflow: Callable[..., str], home: Path) -> tuple[Any, Any]:
    """Return the state and number of tries of each task, and the summary that it left as XCom."""
    lines = airflow(TEST, SYNTH_HOME=str(home), SYNTH_TO=str(home / "published")).splitlines()
    states, summaries = (
        json.loads(line.removeprefix(f"{name} "))
        for name in ("STATES", "XCOM")
        for line in lines
        if line.startswith(f"{name} ")
    )
    return states, summaries


def test_the_dag_is_read_without_errors(airflow: Callable[..., str]) -> None:
    update = {"skip": [9], "retries": 3, "after": []}
    assert found(airflow) == {"errors": {}, "tasks": {"update": update}}
    publish = {"skip": [], "retries": 1, "after": ["update"]}
    assert found(airflow, SYNTH_TO="s3://bucket/nightly") == {
        "errors": {},
        "tasks": {"update": update, "publish": publish},
    }


def test_a_night_with_something_new_is_published_and_one_without_publishes_nothing_new(
    airflow: Callable[..., str], home: Path
) -> None:
    states, summaries = night(airflow, home)
    assert states == {"update": ["success", 1], "publish": ["success", 1]}
    assert [(found["state"], found["exit_code"]) for found in summaries.values()] == [("done", 0), ("done", 0)]
    assert summaries["update"]["rows"] == summaries["publish"]["rows"] > 0
    assert (home / "published/synth.json").exists()
    states, summaries = night(airflow, home)
    assert states == {"update": ["skipped", 1], "publish": ["success", 1]}
    assert {name: found["state"] for name, found in summaries.items()} == {"publish": "nothing_new"}


def test_a_night_that_was_stopped_is_tried_again_and_goes_on(airflow: Callable[..., str], home: Path) -> None:
    """The first try is stopped at once (exit code 8), the second is not."""
    synth = home / ".venv/bin/synth"
    own = synth.read_text().splitlines()[1]
    synth.write_text(
        f'#!/bin/sh\nif [ "$1" = update ] && mkdir tried 2>/dev/null; then set -- "$@" --max-time 0s; fi\n{own}\n'
    )
    assert night(airflow, home)[0] == {"update": ["success", 2], "publish": ["success", 1]}
