"""Bespoke Curator: an LLM with a prompt, through its LiteLLM backend, with its limits of rate out of the way."""

import time
from typing import Any

from _given import given, report
from bespokelabs import curator


class Writer(curator.LLM):
    def prompt(self, row: dict[str, Any]) -> str:
        return str(row["prompt"])

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        return {"prompt": row["prompt"], "text": response}


def main() -> None:
    to = given()
    writer = Writer(
        model_name="hosted_vllm/instant",
        backend="litellm",
        generation_params={"max_tokens": 256},
        backend_params={
            "base_url": to.url,
            "max_concurrent_requests": to.in_flight,
            "max_requests_per_minute": 10**9,
            "max_tokens_per_minute": 10**12,
        },
    )
    rows = [{"prompt": text} for text in to.texts()]
    started = time.perf_counter()
    found = writer(rows, working_dir=str(to.folder)).dataset
    seconds = time.perf_counter() - started
    report(seconds, sum(bool(text) for text in found["text"]))


if __name__ == "__main__":
    main()
