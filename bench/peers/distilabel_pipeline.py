"""distilabel: a pipeline of one TextGeneration, in batches as large as what is to be in flight."""

import time

from _given import given, report
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def main() -> None:
    to = given()
    rows = [{"instruction": text} for text in to.texts()]
    with Pipeline(name="bench", cache_dir=to.folder) as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=to.in_flight)
        llm = OpenAILLM(model="instant", base_url=to.url, api_key="none")
        write = TextGeneration(llm=llm, input_batch_size=to.in_flight)
        load >> write
    started = time.perf_counter()
    found = pipeline.run(use_cache=False)
    seconds = time.perf_counter() - started
    report(seconds, sum(bool(text) for text in found["default"]["train"]["generation"]))


if __name__ == "__main__":
    main()
