"""synth: its stage `generate`, whole: template, schema, key, request, answer parsed and journalled, shards written.

The stages before it are made once, and stay; the time is that of the stage, as timings.jsonl has it.
"""

import contextlib
import cProfile
import io
import pstats
import shutil
from pathlib import Path

from _given import Given, given, report

from synth import config, pipeline, store, timings
from synth.executors import local
from synth.progress import shown

HERE = Path(__file__).parents[1]
SHOWN = 25
"""Lines of the profile."""


def settings(to: Given) -> config.Config:
    return config.Config.model_validate(
        {
            "name": "run",
            "outputs": str(to.folder),
            "corpus": {"path": str(to.corpus), "columns": {"text": "text", "id": "id", "language": "language"}},
            "tasks": {"bench.onestep": {"rows_per_passage": 1}},
            "prompts": str(HERE / "onestep/prompts"),
            "engine": {"kind": "server", "model": "instant", "url": to.url, "in_flight": to.in_flight},
            "embedder": {"kind": "hashing", "dimensions": 64},
        }
    )


def main() -> None:
    to = given()
    chosen = settings(to)
    built = pipeline.build(chosen)
    before = built.stages[: built.stages.index(built.generate)]
    with shown() as display:
        local.run(before, chosen.folder, display)
        shutil.rmtree(chosen.folder / built.generate.folder, ignore_errors=True)
        shutil.rmtree(chosen.folder / "responses", ignore_errors=True)
        profile = cProfile.Profile()
        with profile if to.profile else contextlib.nullcontext():
            local.run([built.generate], chosen.folder, display)
    times = timings.read(chosen.folder)
    counts = store.finished(chosen.folder / built.generate.folder, built.generate).counts
    if to.profile:
        out = io.StringIO()
        pstats.Stats(profile, stream=out).sort_stats("tottime").print_stats(SHOWN)
        print(out.getvalue())
    stages = {stage.name: times[stage.fingerprint]["seconds"] for stage in [*before, built.generate]}
    report(stages["generate"], counts["ok"], stages=stages)


main()
