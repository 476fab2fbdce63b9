"""Every night at one o'clock: what is new in the corpus is added to the dataset, and the dataset published. For Airflow 3.

SYNTH_HOME is the folder that has .venv, configs and outputs, the same on all workers that the queue may take. SYNTH_TO is where
the dataset goes; without it, nothing is published.
"""

import json
import os
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOME = os.environ.get("SYNTH_HOME", "/srv/synth")
CONFIG = os.environ.get("SYNTH_CONFIG", "configs/nightly.yaml")
TO = os.environ.get("SYNTH_TO", "")
LIMIT = "5h"
LAST = 'trap : TERM; said=$({}); code=$?; echo "$said"; exit $code'
"""Airflow takes the last line of stdout and stderr together: what a library says on its way out must not be that."""

with DAG(
    "synth_nightly",
    description="Add what is new in the corpus to the dataset",
    schedule="0 1 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # the corpus is what it is now: a night that was missed is made up for by the next
    max_active_runs=1,  # the dataset's folder has one owner
    default_args={
        "cwd": HOME,
        "env": {"CONFIG": CONFIG, "TO": TO, "LIMIT": LIMIT},
        "append_env": True,
        "output_processor": json.loads,  # the last line is the summary: it becomes the task's XCom
        "retries": 3,  # 8, stopped early and whole, goes on where it was; so do 4 and 5, when a server or disk is back
        "retry_delay": timedelta(minutes=5),
    },
):
    update = BashOperator(
        task_id="update",
        bash_command=LAST.format('.venv/bin/synth update "$CONFIG" --max-time "$LIMIT" --json'),
        skip_on_exit_code=9,  # nothing new
        execution_timeout=timedelta(hours=5, minutes=30),  # for each try
    )
    if TO:
        update >> BashOperator(
            task_id="publish",
            bash_command=LAST.format('.venv/bin/synth publish "$CONFIG" --to "$TO" --json'),
            trigger_rule="none_failed",  # after a skipped update, too: that makes up for a night whose publish failed
            skip_on_exit_code=None,
            retries=1,
        )
