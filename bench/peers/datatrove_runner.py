"""datatrove: its InferenceRunner and a JSONL writer, with or without its checkpoints and their cache of requests."""

import time
from pathlib import Path
from typing import Any

from _given import given, report
from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.writers import JsonlWriter


async def rollout(document: Document, generate: Any) -> str:
    payload = {"messages": [{"role": "user", "content": document.text}], "max_tokens": 256}
    found: str = (await generate(payload)).text
    return found


def main() -> None:
    to = given()
    documents = [Document(text=text, id=str(at)) for at, text in enumerate(to.texts())]
    out = Path(to.folder) / "out"
    runner = InferenceRunner(
        rollout_fn=rollout,
        config=InferenceConfig(
            server_type="endpoint",
            model_name_or_path="instant",
            endpoint_url=to.url.removesuffix("/v1"),
            max_concurrent_generations=to.in_flight,
        ),
        output_writer=JsonlWriter(
            str(out), output_filename="${rank}_${chunk_index}.jsonl" if to.checkpoints else None, compression=None
        ),
        checkpoints_local_dir=str(to.folder / "checkpoints") if to.checkpoints else None,
        records_per_chunk=1000,
    )
    executor = LocalPipelineExecutor([documents, runner], logging_dir=str(to.folder / "logs"), tasks=1)
    started = time.perf_counter()
    executor.run()
    seconds = time.perf_counter() - started
    report(seconds, sum(len(path.read_text().splitlines()) for path in out.glob("*.jsonl")))


if __name__ == "__main__":
    main()
