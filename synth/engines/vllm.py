"""vLLM in this process: offline batch inference, fed without a pause.

One thread owns the engine: it takes requests from a queue as they come, steps, and hands finished answers back to the
event loop. So the engine never drains between two steps of a task, two documents or two shards. (vLLM binds its CPU
threads to the thread that builds it; building and stepping in one thread keeps that right.) What need not be in that
thread is not: another one renders and tokenises prompts while the engine computes, and vLLM compiles grammars in its own.
"""

import asyncio
import contextlib
import logging
import os
import queue
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from pydantic import Field

from synth import weights
from synth.engines import COUNTERS, EngineSettings, Request, RequestFailed, Response
from synth.engines._room import Room
from synth.errors import ModelError, install

_COMPANY = 16
"""Requests to ask again at once of what an engine was computing when it died: so many at most are lost with the one that
it dies of, and hundreds are still done with in minutes."""
_CLOSING = 30.0
"""Seconds to wait for the engine's last step before it is left behind."""
_LOOKS = 2.0
"""Seconds between two looks at how many requests the engine computes, and how many wait: a look takes some 3 ms."""
_BEGUN = 100_000
"""Prefixes to remember: more than any cache holds."""
_log = logging.getLogger(__name__)


class Settings(EngineSettings):
    """vLLM's offline engine. `model` is a Hub name, a folder, or `package:NAME/PATH`."""

    kind: Literal["vllm"]
    dtype: str = "auto"
    max_model_len: int | None = Field(None, ge=128)
    """Context, in tokens. A prompt that does not fit fails its row as `prompt_too_long`."""
    max_num_seqs: int = Field(256, ge=1)
    """Requests computed at once, if memory allows. In flight are half as many more, so that no place is ever empty."""
    tensor_parallel_size: int = Field(1, ge=1)
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    kv_cache_gb: int = Field(1, ge=1)
    """Memory for the KV cache on a CPU, in GiB. On a GPU, gpu_memory_utilization says it."""
    restarts: int = Field(2, ge=0, le=100)
    """How often to start the engine again after it died, in one run. Then the run stops, with the journal whole. What it
    was computing is asked again once: a request that is there when it dies again fails its row, as `engine_died`."""
    trust_remote_code: bool = False
    """Run Python code that comes with the weights."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Any further argument of `vllm.LLM`."""

    @property
    def gpus(self) -> int:
        return self.tensor_parallel_size * int(self.options.get("pipeline_parallel_size", 1))


@contextlib.contextmanager
def open(settings: Settings) -> Iterator["VllmEngine"]:
    """Load the model (13–21 s for a 135M model on 2 cores) and yield the engine. Raises ModelError when it cannot."""
    engine = VllmEngine(settings)
    try:
        yield engine
    finally:
        engine.close()


def _llm(settings: Settings) -> Any:
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        import torch

        on_cpu = not torch.cuda.is_available()
        # The engine in this process, not in a child: a child outlives SIGKILL (and keeps the GPU's memory), and dies of
        # the Ctrl-C that lets this process finish. On 2 cores it is also faster: 148 instead of 88 tokens/s.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        if on_cpu:
            os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.kv_cache_gb))
        from vllm import LLM
    except ImportError as error:
        raise ModelError(
            f"engine vllm: cannot be imported: {error}",
            fix=f"{install('gpu')} on a GPU machine, `make env` there on a CPU, "
            "or use `engine: {kind: server, url: …}` with a vLLM that runs elsewhere",
        ) from error
    options: dict[str, Any] = {
        "model": weights.resolve(settings.model),
        "revision": settings.revision,
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "trust_remote_code": settings.trust_remote_code,
        "enable_prefix_caching": True,
        "disable_log_stats": False,  # `get_metrics` has nothing else to tell
        # A row's second question goes before other rows' first ones, while the cache holds its passage.
        "scheduling_policy": "priority",
        "seed": 0,
        # The first structured request would fix the backend for the whole engine; without "any white space" a small
        # model cannot run away in blanks, and answers are shorter.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if on_cpu:
        # A seeded request whose prompt is prefilled in chunks kills the CPU engine ("CPU Generator does not use
        # offset"); and cache blocks of 32 instead of 128 tokens find far more of a shared prefix.
        longest = settings.max_model_len or 8192
        options |= {"enforce_eager": True, "enable_chunked_prefill": False, "block_size": 32}
        options |= {"max_num_batched_tokens": max(4096, longest)}
    else:
        options["gpu_memory_utilization"] = settings.gpu_memory_utilization
    try:
        return LLM(**(options | settings.options))
    except Exception as error:  # vLLM raises whatever its parts raise; the cause is named, nothing is swallowed
        raise ModelError(
            f"engine vllm: model {settings.model!r} cannot be loaded: {type(error).__name__}: {error}",
            fix="check the model's name or folder, the memory it needs, and engine.max_model_len",
        ) from error


@dataclass(frozen=True, eq=False)
class _Asked:
    """A request on its way, and the one who waits for its answer."""

    request: Request
    prompt: dict[str, list[int]] | None
    """Its tokens, or null: vLLM shall make them."""
    future: "asyncio.Future[Response]"
    loop: asyncio.AbstractEventLoop
    survived: bool = False
    """Whether an engine has died that was computing it."""

    def settle(self, *, response: Response | None = None, error: BaseException | None = None) -> None:
        def settle() -> None:
            if not self.future.done():  # cancelled rows no longer wait for their answer
                if error is not None:
                    self.future.set_exception(error)
                elif response is not None:
                    self.future.set_result(response)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(settle)


class VllmEngine:
    """An engine that is fed from an event loop and stepped by a thread of its own.

    When vLLM dies, it is started again, `restarts` times at most, and asked again what it had not answered.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._room = Room(settings.max_num_seqs)
        self._looked = 0.0
        self._begun: OrderedDict[str, None] = OrderedDict()
        self._tokenizer: Any = None
        self._writer = ThreadPoolExecutor(1, "vllm-prompts")  # one: requests stay in order
        self._metrics: Callable[[], Mapping[str, float]] = dict
        self._before: dict[str, float] = {}
        self._inbox: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._pending: dict[str, _Asked] = {}
        self._suspects: deque[_Asked] = deque()
        self._dead: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vllm", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._dead is not None:
            raise self._dead

    @property
    def capacity(self) -> int:
        return self._room.capacity

    def counters(self) -> Mapping[str, float]:
        """Return vLLM's own counters since the engine was opened, of all its starts."""
        now = self._metrics()
        return {name: now.get(name, 0.0) + self._before.get(name, 0.0) for name in COUNTERS if name in now}

    async def complete(self, request: Request) -> Response:
        if self._dead is not None:
            raise self._dead
        loop = asyncio.get_running_loop()
        prompt = await loop.run_in_executor(self._writer, self._prompt, request)
        asked = _Asked(request, prompt, loop.create_future(), loop)
        self._inbox.put(asked)
        if self._dead is not None:  # it died between the two lines: nobody reads the inbox any more
            raise self._dead
        return await asked.future

    def close(self) -> None:
        self._inbox.put(None)
        self._writer.shutdown(wait=False)
        self._thread.join(_CLOSING)  # an engine that hangs in a step must not keep the run from ending

    def _run(self) -> None:
        restarts = self._settings.restarts
        try:
            while True:
                llm = _llm(self._settings)
                self._tokenizer = self._tokenizer or _tokenizer(llm)
                started = _metrics(llm)
                self._metrics = partial(_since, llm, started)
                self._ready.set()
                try:
                    return self._serve(llm)
                except Exception as error:
                    if not restarts:
                        raise
                    restarts -= 1
                    _log.warning(
                        "engine vllm died: %s: %s; starting it again (then %d times more)",
                        type(error).__name__,
                        error,
                        restarts,
                    )
                    self._ask_again(error)
                    self._before, self._metrics = dict(self.counters()), dict
                del llm
                _clean_up()
        except BaseException as error:
            self._die(error)
        finally:
            self._ready.set()

    def _ask_again(self, error: Exception) -> None:
        """Put back what was being computed; but not twice, since it may be what the engine dies of."""
        for asked in self._pending.values():
            if asked.survived:
                asked.settle(error=RequestFailed("engine_died", f"in the engine both times it died, last of {error}"))
            else:
                self._suspects.append(replace(asked, survived=True))
        self._pending.clear()

    def _die(self, error: BaseException) -> None:
        """Tell all who wait and all who will ask; the same error for all, so that it is said once."""
        tried = f", after {self._settings.restarts} restarts" if self._settings.restarts else ""
        self._dead = (
            error
            if isinstance(error, ModelError)
            else ModelError(
                f"engine vllm died{tried}: {type(error).__name__}: {error}",
                fix="run again: answers so far are in the journal; if it dies again, see engine.max_num_seqs and "
                "engine.gpu_memory_utilization",
            )
        )
        for asked in (*self._pending.values(), *self._suspects):
            asked.settle(error=self._dead)
        while not self._inbox.empty():
            if (item := self._inbox.get()) is not None:
                item.settle(error=self._dead)

    def _serve(self, llm: Any) -> None:
        """Feed and step the engine until it is closed."""
        while True:
            while self._suspects and len(self._pending) < _COMPANY:
                self._feed(llm, self._suspects.popleft())
            while not self._suspects and (not self._pending or not self._inbox.empty()):
                asked = self._inbox.get()  # blocks only when there is nothing to compute
                if asked is None:
                    return
                self._feed(llm, asked)
            if self._looked + _LOOKS < (now := time.monotonic()):
                self._looked, said = now, _metrics(llm)
                self._room.look(int(said.get(_RUNNING, 0)), int(said.get(_WAITING, 0)))
            given_up = [name for name, asked in self._pending.items() if asked.future.cancelled()]
            if given_up:  # past its deadline, or the run is stopping: the place is worth more than the answer
                llm.llm_engine.abort_request(given_up)
                for name in given_up:
                    del self._pending[name]
                continue
            for output in llm.llm_engine.step():
                if output.finished and (found := self._pending.pop(output.request_id, None)):
                    found.settle(**_outcome(output))

    def _feed(self, llm: Any, asked: _Asked) -> None:
        if asked.future.done():
            return
        try:
            self._pending[self._enqueue(llm, asked)] = asked
        except Exception as error:
            # One bad request: vLLM's own validation error is a ValueError in some versions, not in others.
            if not isinstance(error, ValueError) and type(error).__name__ != "VLLMValidationError":
                self._pending[f"refused {id(asked)}"] = asked  # the engine died of it: asked again, or told
                raise
            asked.settle(error=_refused(error))

    def _prompt(self, request: Request) -> dict[str, list[int]] | None:
        """Render and tokenise, as vLLM's own chat does. Null where it cannot be done out here: vLLM then says why."""
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **self._settings.chat_template_kwargs
            )
            return {"prompt_token_ids": self._tokenizer.encode(text, add_special_tokens=False)}
        except Exception:  # no template, a role it does not know, a tokenizer of another make
            return None

    def _enqueue(self, llm: Any, asked: _Asked) -> str:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        request = asked.request
        first = request.prefix not in self._begun
        self._begun[request.prefix] = None
        self._begun.move_to_end(request.prefix)
        if len(self._begun) > _BEGUN:
            self._begun.popitem(last=False)
        params = SamplingParams(
            **request.sampling.model_dump(),
            seed=request.seed,
            structured_outputs=StructuredOutputsParams(json=request.schema),
        )
        if asked.prompt:
            identifiers: list[str] = llm.enqueue(asked.prompt, params, use_tqdm=False, priority=int(first))
        else:
            identifiers = llm.enqueue_chat(
                [{"role": message.role, "content": message.content} for message in request.messages],
                params,
                use_tqdm=False,
                priority=int(first),
                chat_template_kwargs=self._settings.chat_template_kwargs or None,
            )
        return identifiers[0].partition("-")[0]  # vLLM returns "7-<random>" here, and calls the output "7"


_RUNNING, _WAITING = "num_requests_running", "num_requests_waiting"


def _metrics(llm: Any) -> Mapping[str, float]:
    """Return what vLLM says of itself, gauges and counters, by name without `vllm:`."""
    return {metric.name.removeprefix("vllm:"): metric.value for metric in llm.get_metrics() if hasattr(metric, "value")}


def _since(llm: Any, start: Mapping[str, float]) -> Mapping[str, float]:
    now = _metrics(llm)
    return {name: now[name] - start.get(name, 0.0) for name in COUNTERS if name in now}


def _tokenizer(llm: Any) -> Any:
    """Return the tokenizer, if chat templates can be rendered with it as vLLM does."""
    found = llm.get_tokenizer()
    return found if getattr(found, "chat_template", None) else None


def _refused(error: Exception) -> RequestFailed:
    text = str(error)
    too_long = "longer than" in text or "context length" in text or "max_model_len" in text
    return RequestFailed("prompt_too_long" if too_long else "refused", text[:300])


def _outcome(output: Any) -> dict[str, Any]:
    answer = output.outputs[0]
    if answer.finish_reason not in (
        "stop",
        "length",
    ):  # "error": a grammar that does not compile, without any exception
        return {"error": RequestFailed("engine_error", f"finish_reason {answer.finish_reason!r}")}
    response = Response(
        text=answer.text,
        finish=answer.finish_reason,
        prompt_tokens=len(output.prompt_token_ids),
        cached_tokens=output.num_cached_tokens or 0,
        output_tokens=len(answer.token_ids),
    )
    return {"response": response}


def _clean_up() -> None:
    """Let go of what a dead engine held of the device, so that another one can be built in this process."""
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()
