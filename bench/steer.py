"""Steering: 100,000 accepted rows of the mix that configs/world.yaml asks for, with the scripted engine.

    python bench/steer.py [--rows 100000] [--folder outputs/bench-steer]

The corpus is made by rule: sentences of examples/world, put together anew, in all its languages, with a third of their words
exchanged for others of the language, so that no two are alike; versions that pass for translations; functions under other
names. The engine answers by rule, and its acceptance differs from cell to cell: it is
told to answer junk at times, it asks the same kind of question whatever type it is asked for, and it copies. So a run that
took what comes would miss the mix, by how much is the first figure: the accepted rows of the first round, which plans the
mix itself. The second is what the rounds make of it. Both are total variation distances from the targets' shares.
"""

import argparse
import json
import random
import re
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from synth import config, pipeline, runs, store
from synth.passages import sentences
from synth.progress import shown
from synth.steering import distance
from synth.stop import Stop

WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]{2}|[\u0900-\u0dff]{3,}|[^\W\d_\u3040-\u30ff\u4e00-\u9fff]{3,}")
"""What is exchanged; of Chinese and Japanese, two characters."""
WORLD = Path("examples/world/corpus")
DOCUMENTS = 36_000
"""Documents of prose per 100,000 rows; four times the share for English, of which most rows are asked for."""
FUNCTIONS = 12_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--folder", type=Path, default=Path("outputs/bench-steer"))
    given = arguments.parse_args()
    corpus = given.folder / f"corpus-{given.rows}"
    write_corpus(corpus, given.rows / 100_000)
    settings = scaled(given.folder, corpus, given.rows)
    started = time.monotonic()
    with shown() as display:
        runs.run(settings, display, Stop(None))
    report(settings, time.monotonic() - started)


def scaled(folder: Path, corpus: Path, rows: int) -> config.Config:
    """Return configs/world.yaml with that corpus, engine and embedder, and its targets times a factor: `rows` in all."""
    raw = yaml.safe_load(Path("configs/world.yaml").read_text(encoding="utf-8"))
    whole = sum(target["rows"] for target in raw["targets"])
    for target in raw["targets"]:
        target["rows"] = round(target["rows"] * rows / whole)
    del raw["budget"]
    raw |= {
        "name": f"steer-{rows}",
        "outputs": str(folder),
        "engine": {"kind": "scripted", "in_flight": 512, "junk": 0.1},
        "embedder": {"kind": "hashing", "dimensions": 256},
        # Documents that were put together of the same sentences rank above each other: the round trip would reject most.
        "score": {"max_rank": None, "candidates": 20},
        "negatives": {"per_query": 3, "minimum": 0},
        "shard_rows": 1000,
    }
    raw["corpus"]["path"] = str(corpus)
    raw["corpus"]["columns"]["syntax"] = "syntax"
    path = folder / f"steer-{rows}.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    return config.load(path)


def write_corpus(folder: Path, scale: float) -> None:
    """Write documents.jsonl and functions.jsonl, the same each time."""
    if (folder / "documents.jsonl").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)
    with (folder / "documents.jsonl").open("w", encoding="utf-8") as out:
        for document in (*prose(draw, round(DOCUMENTS * scale)), *functions(draw, round(FUNCTIONS * scale))):
            out.write(json.dumps(document, ensure_ascii=False) + "\n")


def prose(draw: random.Random, number: int) -> list[dict[str, Any]]:
    """Put sentences together anew: of one language, or the same ones of all languages of a parallel text."""
    rows = [json.loads(line) for line in (WORLD / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    single: dict[str, list[str]] = defaultdict(list)
    parallel: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for row in rows:
        for at, sentence in enumerate(sentences(row["text"], row["language"])):
            if row["parallel"]:
                parallel[row["parallel"], at][row["language"]] = sentence
            else:
                single[row["language"]].append(sentence)
    made = []
    words = {
        language: sorted({word for text in found for word in WORD.findall(text)}) for language, found in single.items()
    }

    def other(text: str, language: str) -> str:
        return WORD.sub(lambda word: draw.choice(words[language]) if draw.random() < 0.35 else word[0], text)

    for language, found in sorted(single.items()):
        for at in range(number // 12 * (4 if language == "en" else 1)):
            text = " ".join(other(sentence, language) for sentence in draw.sample(found, min(6, len(found))))
            made.append(row_of(f"{language}-{at}", language, text, ""))
    for at in range(number // 30):
        chosen = draw.sample(sorted(parallel), 5)
        for language in sorted(parallel[chosen[0]]):
            text = " ".join(other(parallel[place][language], language) for place in chosen)
            made.append(row_of(f"p{at}-{language}", language, text, f"p{at}"))
    return made


def functions(draw: random.Random, number: int) -> list[dict[str, Any]]:
    """Take functions of the sample sources, with other words for their names."""
    blocks = [
        block.strip()
        for path in sorted((WORLD / "code").glob("*.py"))
        for block in re.split(r"\n(?=def )", path.read_text(encoding="utf-8"))
        if block.startswith("def ")
    ]
    words = sorted({word for block in blocks for word in re.findall(r"[a-z]{5,}", block)})
    made = []
    for at in range(number):
        block = draw.choice(blocks)
        for name in set(re.findall(r"[a-z]{4,}_?[a-z]*", block)):
            if draw.random() < 0.3:
                block = re.sub(rf"\b{name}\b", f"{draw.choice(words)}_{draw.choice(words)}", block)
        made.append(row_of(f"code-{at}", "en", block, "", "python"))
    return made


def row_of(identity: str, language: str, text: str, parallel: str, syntax: str = "") -> dict[str, Any]:
    return {
        "id": identity, "title": "", "language": language, "text": text, "parallel": parallel, "syntax": syntax
    }  # fmt: skip


def report(settings: config.Config, seconds: float) -> None:
    built = pipeline.build(settings)
    first: dict[str, int] = defaultdict(int)
    every: dict[str, int] = defaultdict(int)
    for rows in store.read_parts(settings.folder, built.negatives, ["round", "cell", "status"]):
        for number, cell, status in zip(*rows.to_pydict().values(), strict=True):
            every[cell] += status == "ok"
            first[cell] += status == "ok" and number == 1
    stats = json.loads((settings.folder / "dataset/stats.json").read_text(encoding="utf-8"))
    cells = stats["targets"]["cells"]
    targets = {cell["cell"]: cell["target"] for cell in cells}
    kept = {cell["cell"]: cell["kept"] for cell in cells}
    planned = sum(cell["planned"] for cell in cells)
    worst = sorted(cells, key=lambda cell: cell["accepted"] / max(1, cell["planned"]))
    print(f"\n{len(cells)} cells, {sum(targets.values()):,} rows asked for, {sum(kept.values()):,} in the dataset")
    print(
        f"{planned:,} planned in {stats['targets']['rounds']} rounds, {sum(every.values()):,} accepted; stop: {stats['targets']['stop']}"
    )
    print("total variation distance from the targets' shares:")
    for name, found in (
        ("what comes: accepted of the first round", first),
        ("steered: accepted of all rounds", every),
        ("steered: the dataset, without surplus", kept),
    ):
        print(f"  {distance([(rows, found[cell]) for cell, rows in targets.items()]):.4f}  {name}")
    print("acceptance by cell, lowest and highest:")
    for cell in (*worst[:3], *worst[-3:]):
        print(
            f"  {cell['accepted'] / max(1, cell['planned']):6.1%}  {cell['cell']}  {cell['kept']:,} of {cell['target']:,}"
        )
    print(f"{seconds:,.0f} s, {planned / seconds:,.0f} planned rows/s")


if __name__ == "__main__":
    main()
