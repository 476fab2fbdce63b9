"""vLLM in this process: offline batch inference, fed without a pause.

One thread owns the engine: it takes requests from a queue as they come, steps, and hands finished answers back to the
event loop. So the engine never drains between two steps of a task, two documents or two shards. (vLLM binds its CPU
threads to the thread that builds it; building and stepping in one thread keeps that right.)
"""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from synth import weights
from synth.engines import EngineSettings, Request, RequestFailed, Response
from synth.errors import ModelError


class Settings(EngineSettings):
    """vLLM's offline engine. `model` is a Hub name, a folder, or `package:NAME/PATH`."""

    kind: Literal["vllm"]
    dtype: str = "auto"
    max_model_len: int | None = Field(None, ge=128)
    """Context, in tokens. A prompt that does not fit fails its row as `prompt_too_long`."""
    max_num_seqs: int = Field(256, ge=1)
    """Requests computed at once; with `in_flight` at about twice that, none of its places is ever empty."""
    tensor_parallel_size: int = Field(1, ge=1)
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    kv_cache_gb: int = Field(1, ge=1)
    """Memory for the KV cache on a CPU, in GiB. On a GPU, gpu_memory_utilization says it."""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """E.g. {enable_thinking: false} for Qwen3."""
    trust_remote_code: bool = False
    options: dict[str, Any] = Field(default_factory=dict)
    """Any further argument of `vllm.LLM`."""


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
        if on_cpu:
            # One process instead of two: half the start-up time, and 148 instead of 88 tokens/s on 2 cores.
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
            os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.kv_cache_gb))
        from vllm import LLM
    except ImportError as error:
        raise ModelError(
            f"engine vllm: cannot be imported: {error}",
            fix="`pip install synth[gpu]` on a GPU machine, `make env` of a checkout on a CPU, "
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
        "disable_log_stats": True,
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


class VllmEngine:
    """An engine that is fed from an event loop and stepped by a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._inbox: queue.SimpleQueue[tuple[Request, asyncio.Future[Response], asyncio.AbstractEventLoop] | None]
        self._inbox = queue.SimpleQueue()
        self._dead: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vllm", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._dead is not None:
            raise self._dead

    async def complete(self, request: Request) -> Response:
        if self._dead is not None:
            raise self._dead
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Response] = loop.create_future()
        self._inbox.put((request, future, loop))
        return await future

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        pending: dict[str, tuple[asyncio.Future[Response], asyncio.AbstractEventLoop]] = {}
        try:
            llm = _llm(self._settings)
            self._ready.set()
            while True:
                while not pending or not self._inbox.empty():
                    item = self._inbox.get()  # blocks only when there is nothing to compute
                    if item is None:
                        return
                    request, future, loop = item
                    try:
                        pending[self._enqueue(llm, request)] = (future, loop)
                    except (
                        ValueError
                    ) as error:  # one bad request; vLLM's own validation error is a ValueError or named so
                        _settle(future, loop, error=_refused(error))
                    except Exception as error:
                        if type(error).__name__ != "VLLMValidationError":
                            raise
                        _settle(future, loop, error=_refused(error))
                for output in llm.llm_engine.step():
                    if output.finished:
                        future, loop = pending.pop(output.request_id)
                        _deliver(output, future, loop)
        except BaseException as error:
            cause = f"{type(error).__name__}: {error}"
            self._dead = (
                error
                if isinstance(error, ModelError)
                else ModelError(f"engine vllm died: {cause}", fix="run again: answers so far are in the journal")
            )
            for future, loop in pending.values():
                _settle(future, loop, error=self._dead)
            while not self._inbox.empty():
                if (item := self._inbox.get()) is not None:
                    _settle(item[1], item[2], error=self._dead)
        finally:
            self._ready.set()

    def _enqueue(self, llm: Any, request: Request) -> str:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        params = SamplingParams(
            **request.sampling.model_dump(),
            seed=request.seed,
            structured_outputs=StructuredOutputsParams(json=request.schema),
        )
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        identifiers: list[str] = llm.enqueue_chat(
            messages,
            params,
            use_tqdm=False,
            chat_template_kwargs=self._settings.chat_template_kwargs or None,
        )
        return identifiers[0].partition("-")[0]  # vLLM returns "7-<random>" here, and calls the output "7"


def _refused(error: Exception) -> RequestFailed:
    text = str(error)
    too_long = "longer than" in text or "context length" in text or "max_model_len" in text
    return RequestFailed("prompt_too_long" if too_long else "refused", text[:300])


def _deliver(output: Any, future: asyncio.Future[Response], loop: asyncio.AbstractEventLoop) -> None:
    answer = output.outputs[0]
    if answer.finish_reason not in (
        "stop",
        "length",
    ):  # "error": a grammar that does not compile, without any exception
        return _settle(future, loop, error=RequestFailed("engine_error", f"finish_reason {answer.finish_reason!r}"))
    response = Response(
        text=answer.text,
        finish=answer.finish_reason,
        prompt_tokens=len(output.prompt_token_ids),
        cached_tokens=output.num_cached_tokens or 0,
        output_tokens=len(answer.token_ids),
    )
    return _settle(future, loop, response=response)


def _settle(
    future: asyncio.Future[Response],
    loop: asyncio.AbstractEventLoop,
    *,
    response: Response | None = None,
    error: BaseException | None = None,
) -> None:
    def settle() -> None:
        if not future.done():  # cancelled rows no longer wait for their answer
            if error is not None:
                future.set_exception(error)
            elif response is not None:
                future.set_result(response)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle)
