"""Is the engine ever idle, and is a passage computed once? The real vLLM on the CPU with a real small model.

    python -m bench.engine [--documents 40] [--joined 4] [--rounds 3]

The sample's documents are short, some 190 tokens; `joined` of them make one, so that passages are as long as those of a real
corpus: cut near the default `passages.max_tokens`, 350. `--joined 1` leaves them short.

Three sides, each in a process of its own, one after the other in every round:

- stage: the whole generate stage, as `synth run` does it: shards read, prompts rendered, two questions a row, every answer in
  the journal before it is used, shards written;
- at once: vLLM given all the same prompts at once, by `LLM.chat`, with the same engine settings: it never waits for anybody;
- passage last: the generate stage with the same templates, but for the passage, which stands at the end of its turn.

Loading the model is in no figure. Prompt tokens computed are vLLM's own count: those looked for in its prefix cache, less
those found there.
"""

import argparse
import json
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STAGE, AT_ONCE, LAST = "stage", "at once", "passage last"
ROWS_PER_PASSAGE = 4
_FIRST = "Passage:\n{{ passage }}\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=40)
    parser.add_argument("--joined", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        side, folder = options.child
        found = at_once(Path(folder)) if side == AT_ONCE else stage(side, Path(folder))
        print("RESULT " + json.dumps(found))
        return
    rounds: dict[str, list[dict[str, float]]] = {STAGE: [], AT_ONCE: [], LAST: []}
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(Path(folder), options.documents, options.joined)
        for number in range(options.rounds):
            for side, seen in rounds.items():
                seen.append(child(side, Path(folder)))
                print(f"round {number + 1}, {side}: {seen[-1]}", file=sys.stderr, flush=True)
    report(rounds)


def child(side: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.engine", "--child", side, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-4000:])
    found: dict[str, float] = json.loads(lines[0].removeprefix("RESULT "))
    return found


def write_corpus(folder: Path, documents: int, joined: int) -> None:
    texts = [json.loads(line)["text"] for line in Path("examples/corpus/documents.jsonl").read_text().splitlines()]
    texts = texts[:documents]
    with (folder / "corpus.jsonl").open("w") as file:
        for at in range(0, len(texts), joined):
            file.write(json.dumps({"text": " ".join(texts[at : at + joined])}) + "\n")


def settings(folder: Path, prompts: str | None) -> Any:
    from synth import config

    changes = [f"outputs={folder / 'runs'}", f"corpus={{path: {folder / 'corpus.jsonl'}, columns: {{text: text}}}}"]
    changes += [f"tasks.retrieval.rows_per_passage={ROWS_PER_PASSAGE}", f"prompts={prompts or 'null'}"]
    changes += ["embedder={kind: hashing}", "engine.in_flight=null"]
    return config.load(Path("configs/quickstart.yaml"), changes)


def passage_last(folder: Path) -> Path:
    """Write synth's own templates of the task once more, with the passage at the end of its turn."""
    changed = folder / "passage_last"
    shutil.copytree(Path("prompts"), changed, dirs_exist_ok=True)
    for name in ("configure", "query"):
        path = changed / "retrieval" / f"{name}.j2"
        text = path.read_text()
        before, found, after = text.rpartition(_FIRST)
        body, end, rest = after.rpartition("{% endcall %}")
        assert found
        assert end
        path.write_text(f"{before}{body.rstrip()}\n\n{_FIRST.strip()}\n{end}{rest}")
    return changed


def stage(side: str, folder: Path) -> dict[str, float]:
    from synth import pipeline
    from synth.engines import Request, Response, vllm
    from synth.executors import local
    from synth.progress import shown

    made = settings(folder, str(passage_last(folder)) if side == LAST else None)
    shutil.rmtree(made.folder, ignore_errors=True)
    made.folder.mkdir(parents=True)
    built = pipeline.build(made)
    loaded: list[float] = []
    asked: list[Request] = []
    answers: list[Response] = []
    counted: dict[str, float] = {}
    load, complete, close = vllm._llm, vllm.VllmEngine.complete, vllm.VllmEngine.close

    def loads(settings: vllm.Settings) -> Any:
        llm = load(settings)
        loaded.append(time.monotonic())
        return llm

    async def completes(self: vllm.VllmEngine, request: Request) -> Response:
        asked.append(request)
        answers.append(await complete(self, request))
        return answers[-1]

    def closes(self: vllm.VllmEngine) -> None:
        counted.update(self.counters())
        close(self)

    vllm._llm, vllm.VllmEngine.complete, vllm.VllmEngine.close = loads, completes, closes  # type: ignore[assignment, method-assign]
    at = built.stages.index(built.generate)
    with shown() as display:
        local.run(built.stages[:at], made.folder, display)
        local.run([built.generate], made.folder, display)
    seconds = time.monotonic() - loaded[0]
    if side == STAGE:
        (folder / "asked.pickle").write_bytes(pickle.dumps((made.engine, asked)))
    return figures(seconds, len(answers), sum(one.output_tokens for one in answers), counted)


def at_once(folder: Path) -> dict[str, float]:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    from synth.engines import vllm

    engine, asked = pickle.loads((folder / "asked.pickle").read_bytes())
    llm = vllm._llm(engine)
    params = [
        SamplingParams(
            **request.sampling.model_dump(),
            seed=request.seed,
            structured_outputs=StructuredOutputsParams(json=request.schema),
        )
        for request in asked
    ]
    chats = [[{"role": one.role, "content": one.content} for one in request.messages] for request in asked]
    before, started = vllm._metrics(llm), time.monotonic()
    outputs = llm.chat(chats, params, use_tqdm=False)
    seconds = time.monotonic() - started
    tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    return figures(seconds, len(outputs), tokens, vllm._since(llm, before))


def figures(seconds: float, requests: int, tokens: int, counted: dict[str, float]) -> dict[str, float]:
    queries, hits = counted["prefix_cache_queries"], counted["prefix_cache_hits"]
    return {
        "seconds": round(seconds, 2),
        "requests": requests,
        "output tokens": tokens,
        "tokens/s": round(tokens / seconds, 1),
        "prompt tokens": queries,
        "computed": queries - hits,
    }


def report(rounds: dict[str, list[dict[str, float]]]) -> None:
    print("| side | requests | output tokens/s, median | prompt tokens a request | computed a request | hit rate |")
    print("|---|---|---|---|---|---|")
    for side, seen in rounds.items():
        last = seen[-1]
        print(
            f"| {side} | {last['requests']:,.0f} | {statistics.median(one['tokens/s'] for one in seen):,.1f} "
            f"| {last['prompt tokens'] / last['requests']:,.0f} | {last['computed'] / last['requests']:,.0f} "
            f"| {1 - last['computed'] / last['prompt tokens']:.0%} |"
        )
    ratios = [one["tokens/s"] / other["tokens/s"] for one, other in zip(rounds[STAGE], rounds[AT_ONCE], strict=True)]
    first, last = (
        statistics.median(one["computed"] / one["requests"] for one in rounds[side]) for side in (STAGE, LAST)
    )
    print(
        f"\nkept busy: {statistics.median(ratios):.3f} of vLLM given all at once ({min(ratios):.3f}–{max(ratios):.3f})"
    )
    print(f"prompt tokens computed: {first / last:.2f} of passage last")


if __name__ == "__main__":
    main()
