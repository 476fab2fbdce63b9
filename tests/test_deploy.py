"""What deploy/ starts: flags that the installed vLLM has, scripts that bash reads, manifests that fit one another."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from synth.commands import update

DEPLOY = Path(__file__).parents[1] / "deploy"
SCRIPTS = sorted(path for path in DEPLOY.rglob("*") if path.suffix in (".sh", ".sbatch"))
UNITS = sorted((DEPLOY / "systemd").iterdir())
DAG = DEPLOY / "airflow/synth_nightly.py"
MANIFESTS = sorted(DEPLOY.rglob("*.yaml"))
PARSER = """
import json, sys
from importlib import import_module
for name in ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args"):  # new and old home
    try:
        module = import_module(name)
        break
    except ModuleNotFoundError:
        continue
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = module.make_arg_parser(FlexibleArgumentParser())
for arguments in json.load(sys.stdin):
    found = vars(parser.parse_args(arguments))
    found["structured_outputs_config"] = dict(vars(found["structured_outputs_config"])) if not isinstance(
        found["structured_outputs_config"], dict) else found["structured_outputs_config"]
    print(json.dumps({key: value for key, value in found.items() if key in %r}))
"""
SAID = {
    "model_tag": "Qwen/Qwen3-32B-FP8",
    "served_model_name": None,
    "host": "127.0.0.1",
    "port": 8000,
    "max_model_len": 8192,
    "max_num_seqs": 256,
    "gpu_memory_utilization": 0.92,
    "kv_cache_dtype": "auto",
    "enable_prefix_caching": True,
    "enable_prompt_tokens_details": True,
    "generation_config": "vllm",
    "disable_uvicorn_access_log": True,
    "reasoning_parser": "",
    "tensor_parallel_size": 1,
    "data_parallel_size": 1,
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
}


def started(script: str, tmp_path: Path, **environment: str) -> list[str]:
    """Run a script with a `vllm` that writes down what it was given, and return that."""
    vllm = tmp_path / "bin" / "vllm"
    vllm.parent.mkdir(exist_ok=True)
    vllm.write_text('#!/usr/bin/env bash\nprintf "%s\\0" "$@"\n')
    vllm.chmod(0o755)
    given = {"PATH": f"{vllm.parent}{os.pathsep}{os.environ['PATH']}", **environment}
    run = subprocess.run([DEPLOY / script], env=given, capture_output=True, text=True, check=True, timeout=30)
    first, *arguments = run.stdout.split("\0")[:-1]
    assert first == "serve"
    return arguments


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_reads_a_script(script: Path) -> None:
    run = subprocess.run(["bash", "-n", script], capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stderr) == (0, "")
    assert "\nset -euo pipefail\n" in script.read_text()


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="there is no shellcheck on this machine")
def test_shellcheck_has_nothing_to_say() -> None:
    run = subprocess.run(["shellcheck", "-S", "warning", *SCRIPTS], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "")


SLURM = """ClusterName=none
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=9
MessageTimeout=2
SelectType=select/cons_tres
GresTypes=gpu
"""


@pytest.mark.skipif(not shutil.which("sbatch"), reason="there is no sbatch on this machine")
@pytest.mark.parametrize("script", sorted((DEPLOY / "slurm").iterdir()), ids=lambda path: path.name)
def test_sbatch_knows_the_options_of_a_job(script: Path, tmp_path: Path) -> None:
    """sbatch reads all options before it finds that there is no controller; one that it does not know ends it earlier."""
    (tmp_path / "slurm.conf").write_text(SLURM)
    own = {**os.environ, "SLURM_CONF": str(tmp_path / "slurm.conf")}
    odd = tmp_path / "odd.sbatch"
    odd.write_text(script.read_text().replace("--requeue", "--reqeue"))
    said = [
        subprocess.run(
            ["sbatch", "--test-only", "--array=0-2", path, "a.yaml"], env=own, capture_output=True, text=True, timeout=60
        ).stderr
        for path in (script, odd)
    ]  # fmt: skip
    assert said[0] == "allocation failure: Unable to contact slurm controller (connect failure)\n"
    assert "unrecognized option '--reqeue'" in said[1]


VLLM = """#!/usr/bin/env python3
import http.server, signal, sys

class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Healthy).serve_forever()
"""
SYNTH = """#!/usr/bin/env bash
trap 'exit 8' TERM
printf '%s\\n' "$*" >asked
while :; do sleep 0.1; done
"""


def sbatch(
    tmp_path: Path, script: str, *arguments: str, own: Mapping[str, str] = MappingProxyType({}), **stand_ins: str
) -> "subprocess.Popen[str]":
    """Start a Slurm script as Slurm would, with stand-ins for programs."""
    for name, text in stand_ins.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    given = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "DEPLOY": str(DEPLOY), "SLURM_JOB_ID": "42",
        "SERVERS": str(tmp_path / "servers.txt"), "SLURM_GPUS_ON_NODE": "1", **own,
    }  # fmt: skip
    return subprocess.Popen(
        ["bash", DEPLOY / "slurm" / script, *arguments], env=given, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )


def wait_for(there: Callable[[], bool], run: "subprocess.Popen[str]") -> None:
    last = time.monotonic() + 60
    while not there():
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < last
        time.sleep(0.05)


def test_a_slurm_server_enters_its_address_when_healthy_and_takes_it_out_when_told_to_go(tmp_path: Path) -> None:
    servers, others = tmp_path / "servers.txt", "# ours\nhttp://other:8000/v1\n"
    servers.write_text(others)
    run = sbatch(tmp_path, "servers.sbatch", vllm=VLLM)
    try:
        wait_for(lambda: servers.read_text() != others, run)
        added = servers.read_text().removeprefix(others)
        assert re.fullmatch(r"http://[^/:\s]+:\d+/v1\n", added)
        port = int(added.rsplit(":", 1)[1].removesuffix("/v1\n"))
        socket.create_connection(("127.0.0.1", port), 5).close()
    finally:
        run.terminate()
    assert (run.wait(30), servers.read_text()) == (0, others)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_slurm_server_that_does_not_start_fails_its_job(tmp_path: Path) -> None:
    run = sbatch(tmp_path, "servers.sbatch", vllm="#!/usr/bin/env bash\nexit 0\n")
    assert (run.communicate(timeout=60)[1], run.returncode) == ("servers: vllm ended before it was healthy\n", 1)


def test_a_slurm_run_that_is_stopped_goes_back_into_the_queue(tmp_path: Path) -> None:
    (tmp_path / "servers.txt").write_text("http://other:8000/v1\n")
    scontrol = '#!/usr/bin/env bash\necho "$@" >queued\n'
    run = sbatch(tmp_path, "synth.sbatch", "my.yaml", "-n", "5", synth=SYNTH, scontrol=scontrol)
    try:
        wait_for((tmp_path / "asked").exists, run)
    finally:
        run.terminate()
    assert run.wait(30) == 8
    assert (tmp_path / "asked").read_text() == f"run my.yaml --set engine.servers={tmp_path}/servers.txt -n 5\n"
    assert (tmp_path / "queued").read_text() == "requeue 42\n"


def test_a_slurm_array_updates_one_dataset_each_and_says_how_it_ended(tmp_path: Path) -> None:
    ends = '#!/usr/bin/env bash\nprintf "%s " "$@" >"asked-$SLURM_ARRAY_TASK_ID"\nexit "${2%%.yaml}"\n'
    scontrol = '#!/usr/bin/env bash\necho "$@" >>queued\n'
    configs = [f"{code}.yaml" for code in (0, 9, 8, 4)]
    codes = []
    for task in range(len(configs) + 1):
        own = {"SLURM_ARRAY_JOB_ID": "42", "SLURM_ARRAY_TASK_ID": str(task), "METRICS": "prom"}
        run = sbatch(tmp_path, "updates.sbatch", *configs, own=own, synth=ends, scontrol=scontrol)
        codes.append((run.communicate(timeout=30)[1], run.returncode))
    assert codes == [("", 0), ("", 0), ("", 8), ("", 4), ("updates: task 4 has no config: 4 were given\n", 2)]
    servers = f"--set engine.servers={tmp_path}/servers.txt"
    assert (tmp_path / "asked-1").read_text() == f"update 9.yaml --json {servers} --metrics prom/synth-1.prom "
    assert (tmp_path / "queued").read_text() == "requeue 42_2\n"


def test_a_slurm_update_that_is_stopped_goes_back_into_the_queue(tmp_path: Path) -> None:
    scontrol = '#!/usr/bin/env bash\necho "$@" >queued\n'
    own = {"SLURM_ARRAY_JOB_ID": "42", "SLURM_ARRAY_TASK_ID": "0"}
    run = sbatch(tmp_path, "updates.sbatch", "my.yaml", own=own, synth=SYNTH, scontrol=scontrol)
    try:
        wait_for((tmp_path / "asked").exists, run)
    finally:
        run.terminate()
    assert (run.wait(30), (tmp_path / "queued").read_text()) == (8, "requeue 42_0\n")


def documents() -> list[dict[str, Any]]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def only(kind: str) -> dict[str, Any]:
    (found,) = [document for document in documents() if document["kind"] == kind]
    return found


@pytest.mark.engine
def test_vllm_understands_what_it_is_given_as_we_mean_it(tmp_path: Path) -> None:
    """Parsed by the parser of the vLLM that is installed, in a process of its own: importing it takes 13 s, and
    changes the process that does it."""
    (pod,) = only("StatefulSet")["spec"]["template"]["spec"]["containers"]
    given = [
        started("serve-1gpu.sh", tmp_path),
        started("serve-1gpu.sh", tmp_path, MODEL="Qwen/Qwen3-32B", KV_CACHE_DTYPE="fp8", PORT="8001", HOST="::1"),
        started("serve-8gpu.sh", tmp_path),
        started("serve-8gpu.sh", tmp_path, MODEL="Qwen/Qwen3-32B", TENSOR_PARALLEL="2"),
        pod["args"],
    ]
    run = subprocess.run(
        [sys.executable, "-c", PARSER % (sorted(SAID),)],
        input=json.dumps(given), capture_output=True, text=True, timeout=240,
        env={**os.environ, "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    for parsed in found:
        config = parsed["structured_outputs_config"]
        parsed["structured_outputs_config"] = {key: config[key] for key in ("backend", "disable_any_whitespace")}
    bf16 = {"model_tag": "Qwen/Qwen3-32B"}
    assert found == [
        SAID,
        SAID | bf16 | {"kv_cache_dtype": "fp8", "port": 8001, "host": "::1"},
        SAID | {"data_parallel_size": 8},
        SAID | bf16 | {"tensor_parallel_size": 2, "data_parallel_size": 4},
        SAID | {"host": "0.0.0.0"},
    ]


def test_gpus_that_cannot_be_shared_out_are_refused() -> None:
    run = subprocess.run(
        [DEPLOY / "serve-8gpu.sh"], env={"PATH": os.environ["PATH"], "TENSOR_PARALLEL": "3"},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (2, "serve-8gpu: GPUS=8 is no multiple of TENSOR_PARALLEL=3\n")


def test_manifests_are_these_and_have_what_each_must() -> None:
    found = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in documents()]
    assert found == [
        ("batch/v1", "CronJob", "synth-nightly"),
        ("v1", "Service", "synth-vllm"),
        ("apps/v1", "StatefulSet", "synth-vllm"),
        ("v1", "PersistentVolumeClaim", "synth-outputs"),
        ("batch/v1", "Job", "synth"),
    ]
    assert all(each["spec"] for each in documents())


@pytest.mark.parametrize("version", ["1.31", "1.36"])
def test_kubernetes_own_schemas_allow_the_manifests(version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for document in documents():
        validator.validate(document, version, strict=True)  # raises what is missing, or unknown


def test_the_service_finds_the_pods_and_their_port() -> None:
    service, servers = only("Service"), only("StatefulSet")["spec"]
    labels = servers["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == servers["selector"]["matchLabels"] == labels == {"app": "synth-vllm"}
    assert (service["spec"]["clusterIP"], servers["serviceName"]) == ("None", service["metadata"]["name"])
    (container,) = servers["template"]["spec"]["containers"]
    (port,), (served,) = container["ports"], service["spec"]["ports"]
    assert (port["name"], port["containerPort"], served["port"], served["targetPort"]) == ("http", 8000, 8000, "http")
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert probes == [{"path": "/health", "port": "http"}] * 3


@pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
def test_what_a_container_mounts_is_there(kind: str) -> None:
    spec = only(kind)["spec"]
    pod = spec["template"]["spec"]
    claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])]
    volumes = sorted([*claims, *(volume["name"] for volume in pod["volumes"])])
    (container,) = pod["containers"]
    assert sorted(mount["name"] for mount in container["volumeMounts"]) == volumes


def test_the_job_is_tried_again_by_the_exit_codes_that_synth_has() -> None:
    job = only("Job")["spec"]
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    rules = [
        (rule["action"], rule["onExitCodes"]["values"])
        for rule in job["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
    ]
    assert rules == [("Ignore", [8]), ("FailJob", [2])]


def test_the_nightly_job_is_the_job_but_for_its_command() -> None:
    nightly, once = only("CronJob")["spec"]["jobTemplate"]["spec"], only("Job")["spec"]
    (container,), (other,) = nightly["template"]["spec"]["containers"], once["template"]["spec"]["containers"]
    rules = [rule for rule in once["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert nightly["podFailurePolicy"]["rules"] == rules
    assert {**container, "command": other["command"]} == {**other, "args": container["args"]}
    assert nightly["template"]["spec"]["volumes"] == once["template"]["spec"]["volumes"]


@pytest.mark.parametrize(
    ("code", "of_cron", "of_the_job"),
    [(0, "", 0), (9, "", 0), (8, "", 8), (2, "exit code 2: said\n", 2), (4, "exit code 4: said\n", 4)],
)
def test_a_night_without_anything_new_is_no_failure(tmp_path: Path, code: int, of_cron: str, of_the_job: int) -> None:
    place = tmp_path / ".venv/bin"
    place.mkdir(parents=True)
    (place / "synth").write_text(f"#!/bin/sh\necho said\nexit {code}\n")
    (place / "synth").chmod(0o755)
    (line,) = [line for line in (DEPLOY / "crontab").read_text().splitlines() if not line.startswith("#")]
    command = line.partition("* * * ")[2].replace("/srv/synth", str(tmp_path))
    cron = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30)
    assert (cron.returncode, cron.stdout) == (0, of_cron)
    (container,) = only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    path = {"PATH": f"{place}:{os.environ['PATH']}"}
    job = subprocess.run([*container["command"], *container["args"]], env=path, capture_output=True, timeout=30)
    assert job.returncode == of_the_job


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze on this machine")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("/srv/synth/.venv/bin/synth", "/bin/true").replace("User=synth", "User=root")
        (tmp_path / unit.name).write_text(text.replace("/srv/synth", str(tmp_path)))
    units = [str(tmp_path / unit.name) for unit in UNITS]
    found = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)
    assert [line for line in found.stderr.splitlines() if "synth-nightly" in line] == []
    assert "SuccessExitStatus=8 9" in UNITS[0].read_text()


def test_the_dag_has_the_exit_codes_that_synth_has() -> None:
    """What Airflow makes of it is for `make test-airflow`."""
    text = DAG.read_text()
    compile(text, str(DAG), "exec")
    assert ("skip_on_exit_code=9" in text, update.NOTHING_NEW) == (True, 9)


def test_the_readme_names_each_file() -> None:
    text = (DEPLOY / "README.md").read_text()
    files = {str(path.relative_to(DEPLOY)) for path in (*SCRIPTS, *MANIFESTS, *UNITS, DAG, DEPLOY / "crontab")}
    assert {name for name in files if f"`{name}`" not in text and f"]({name})" not in text} == set()
    assert set(re.findall(r"\]\((?!\.\.|http)([^)#]+)\)", text)) <= files
