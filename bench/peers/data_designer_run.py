"""NeMo Data Designer: one column of text by an LLM, from a seed of prompts."""

import time

import data_designer.config as dd
import pandas as pd
from _given import given, report
from data_designer.interface import DataDesigner


def main() -> None:
    to = given()
    texts = to.texts()
    seed = to.folder / "seed.parquet"
    pd.DataFrame({"prompt": texts}).to_parquet(seed)
    provider = dd.ModelProvider(name="bench", endpoint=to.url, provider_type="openai", api_key="none")
    model = dd.ModelConfig(
        alias="instant",
        model="instant",
        provider="bench",
        skip_health_check=True,
        inference_parameters=dd.ChatCompletionInferenceParams(max_tokens=256, max_parallel_requests=to.in_flight),
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(seed)))
    builder.add_column(dd.LLMTextColumnConfig(name="text", model_alias="instant", prompt="{{ prompt }}"))
    designer = DataDesigner(artifact_path=to.folder / "artifacts", model_providers=[provider])
    started = time.perf_counter()
    found = designer.create(builder, num_records=len(texts), dataset_name="bench").load_dataset()
    seconds = time.perf_counter() - started
    report(seconds, int(found["text"].map(bool).sum()))


if __name__ == "__main__":
    main()
