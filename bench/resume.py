"""How long a run with a million answered requests takes to ask its next one after a kill, and in how much memory.

    python bench/resume.py [--requests 1000000] [--folder DIR]

Run it in the checkout, with the environment of `make test`; it takes about an hour on two cores, most of it the first run
(the scripted engine, so that no model is waited for), and some GB of disk. It runs `synth run` until so many requests are
answered, kills it with SIGKILL, and then measures, each in a new process from its start to the first request that the
engine is asked:

- resumed: the shards that were finished are there, as after any kill;
- replayed: the shards of `generate` are gone (as with another shard size), so that every answer comes from the journal.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUERIES, SHARD = 200, 5
CONFIG = """
name: run
outputs: {outputs}
corpus: {{path: {corpus}}}
tasks: {{retrieval: {{rows_per_passage: {queries}}}}}
engine: {{kind: scripted, in_flight: 128}}
embedder: {{kind: hashing, dimensions: 64}}
shard_rows: {shard}
"""
PROBE = """
import resource, sys, time
from synth.engines import scripted
async def first(self, request):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.time() - float(sys.argv[1]):.2f} {peak:.0f}", flush=True)
    import os
    os._exit(0)
scripted.ScriptedEngine.complete = first
from synth.cli import main
main(["run", sys.argv[2]])
"""


def corpus(path: Path, documents: int) -> None:
    """Write so many documents, each with a few sentences of its own."""
    with path.open("w", encoding="utf-8") as stream:
        for n in range(documents):
            subject = f"{['copper', 'cedar', 'granite', 'barley', 'amber'][n % 5]} trade of the {n}th valley"
            text = " ".join(
                f"Sentence {k} on the {subject} tells how merchant {n * 7 + k} carried {n % 97 + k} loads over pass {k}."
                for k in range(6)
            )
            stream.write(json.dumps({"text": text}) + "\n")


def answered(generate: Path) -> int:
    """Count the rows of the finished shards of a stage that is running."""
    try:
        lines = (generate / "parts.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return sum(json.loads(line[9:])["rows"] for line in lines if line.endswith("}"))


def probe(config: Path) -> tuple[float, float]:
    """Return seconds to the first request and the peak of memory until then, in MiB."""
    command = [sys.executable, "-c", PROBE, str(time.time()), str(config)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if not found.stdout:
        raise SystemExit(found.stderr)
    seconds, peak = found.stdout.split()
    return float(seconds), float(peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the run here; goes on with what is there")
    arguments = parser.parse_args()
    rows = arguments.requests // 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.yaml"
        documents = folder / "corpus.jsonl"
        if not documents.exists():
            corpus(documents, rows // QUERIES + 20)  # so that some is left to ask
        config.write_text(CONFIG.format(outputs=folder, corpus=documents, queries=QUERIES, shard=SHARD))
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "synth", "run", str(config)])
        done = 0
        while done < rows and process.poll() is None:
            time.sleep(0.5)
            done = max([answered(path) for path in (folder / "run").glob("generate-*")], default=0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"{2 * done:,} requests answered in {time.monotonic() - started:,.0f} s, then killed")
        journal = sum(path.stat().st_size for path in (folder / "run" / "responses").iterdir())
        print(f"journal: {journal / 2 / done:,.0f} bytes an answer")
        for _ in range(3):
            print("resumed: first request after {:.2f} s, {:,.0f} MiB".format(*probe(config)))
        (generate,) = (folder / "run").glob("generate-*")
        generate.rename(generate.with_name(f"gone-{generate.name}"))
        seconds, peak = probe(config)
        print(f"replayed: first request after {seconds:,.1f} s, {peak:,.0f} MiB, {2 * done / seconds:,.0f} answers/s")


if __name__ == "__main__":
    main()
