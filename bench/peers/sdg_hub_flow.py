"""sdg_hub: a flow of one LLMChatBlock, asynchronous, with checkpoints off."""

import time

import pandas as pd
from _given import given, report
from sdg_hub import Flow, FlowMetadata
from sdg_hub.core.blocks import LLMChatBlock


def main() -> None:
    to = given()
    block = LLMChatBlock(
        block_name="write", input_cols="messages", output_cols="response", async_mode=True, max_tokens=256
    )
    flow = Flow(blocks=[block], metadata=FlowMetadata(name="bench"))
    flow.set_model_config(model="hosted_vllm/instant", api_base=to.url, api_key="none")
    rows = pd.DataFrame({"messages": [[{"role": "user", "content": text}] for text in to.texts()]})
    started = time.perf_counter()
    found = flow.generate(rows, max_concurrency=to.in_flight)
    seconds = time.perf_counter() - started
    report(seconds, int(found["response"].map(bool).sum()))


if __name__ == "__main__":
    main()
