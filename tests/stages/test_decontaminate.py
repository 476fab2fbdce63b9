import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synth import store
from synth.benchmarks import Benchmark, Decontamination
from synth.contamination import Index, counts, hashed
from synth.executors import local
from synth.schemas import PAIRS, PASSAGES, conform
from synth.stage import Source
from synth.stages import benchmarks, decontaminate
from tests.executors.test_local import Silent
from tests.rows import pair, pairs, passage, passages

ZIP = "Gideon Sundback, who had come from Sweden, made the first zip that did not fall apart in the year 1913."
BEES = "Bees dance to tell the hive where the flowers are, and how far, and the others follow the dance in the dark."
LONG = " ".join(f"w{n}" for n in range(300))


def settings(folder: Path) -> Decontamination:
    for name, texts in {"zips": [ZIP, "Who made the zip?", "what is it"], "bees": [BEES]}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return Decontamination(
        benchmarks=[Benchmark(name=name, path=str(folder / f"{name}.jsonl")) for name in ("zips", "bees")]
    )


@pytest.fixture
def index(tmp_path: Path) -> Index:
    config = settings(tmp_path)
    return Index.of(benchmarks.stage(config).read(), config)


def fates(rows: pa.Table) -> list[tuple[Any, ...]]:
    return [(row["status"], row["reason"], row["detail"]) for row in rows.to_pylist()]


def test_passages_that_stand_in_a_benchmark_are_rejected(index: Index) -> None:
    rows = passages(
        passage(text="Otters sleep holding hands."),
        passage(text=ZIP.upper()),
        passage(text=f"{LONG} {BEES} {LONG}"),
        passage(text="gideon sundback who had come from sweden made the first zip that did not break"),
        passage(text=ZIP, status="rejected", reason="too_short", detail="3 tokens, the least is 12"),
        passage(text="What is it?"),
        passage(text=f"{ZIP} {BEES}"),
    )
    found = conform(decontaminate.decontaminate(rows, index, columns=["text"]), PASSAGES)
    assert found.drop_columns(["status", "reason", "detail"]) == rows.drop_columns(["status", "reason", "detail"])
    assert fates(found) == [
        ("ok", None, None),
        ("rejected", "contaminated", "zips: exact"),
        ("rejected", "contaminated", "bees: 22 words"),
        ("rejected", "contaminated", "zips: 13-grams 0.93"),
        ("rejected", "too_short", "3 tokens, the least is 12"),
        ("ok", None, None),
        ("rejected", "contaminated", "zips: 20 words; bees: 13-grams 0.52"),
    ]
    assert counts(found) == {"bees": 2, "zips": 3}


def test_pairs_are_rejected_for_their_query_or_their_positive(index: Index) -> None:
    rows = pairs(
        pair(query="how do otters sleep"),
        pair(query="who made the ZIP"),
        pair(query="what is it", passage=BEES),
        pair(query="who made the zip", passage=ZIP),
        pair(query="", status="failed", reason="engine", detail="timeout", passage=BEES),
        pair(query="how do otters doze", written_negatives=[ZIP]),  # negatives are not what is learnt
    )
    found = conform(decontaminate.decontaminate(rows, index, columns=["query", "positive"]), PAIRS)
    assert fates(found) == [
        ("ok", None, None),
        ("rejected", "contaminated", "zips: query exact"),
        ("rejected", "contaminated", "bees: positive exact"),
        ("rejected", "contaminated", "zips: query exact; zips: positive exact"),
        ("failed", "engine", "timeout"),
        ("ok", None, None),
    ]
    assert counts(found) == {"bees": 1, "zips": 2}


def test_a_text_is_looked_up_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def hits(self: Index, texts: list[str]) -> list[tuple[()]]:
        asked.extend(texts)
        return [() for _ in texts]

    monkeypatch.setattr(Index, "hits", hits)
    rows = pairs(pair(query="a"), pair(query="b"), pair(query="a", passage=BEES, status="failed", reason="engine"))
    decontaminate.decontaminate(rows, index, columns=["query", "positive"])
    assert asked == ["a", "b", "Otters sleep holding hands."]


def test_the_stage_reads_what_the_benchmarks_left(tmp_path: Path) -> None:
    config = settings(tmp_path)
    hashes = benchmarks.stage(config)
    rows = Source(
        name="corpus",
        does="",
        writes=PASSAGES,
        read=lambda: iter([passages(passage(text=ZIP)), passages(passage(text="Clean."))]),
    )
    stage = decontaminate.stage("clean", "keep out", PASSAGES, ["text"], rows, hashes, config)
    local.run([hashes, rows, stage], tmp_path, Silent())
    assert store.finished(tmp_path / stage.folder, stage).counts == {"ok": 1, "rejected/contaminated": 1}
    assert [fate for part in store.read_parts(tmp_path, stage) for fate in fates(part)] == [
        ("rejected", "contaminated", "zips: exact"),
        ("ok", None, None),
    ]


def test_without_benchmarks_all_pass(tmp_path: Path) -> None:
    hashes = benchmarks.stage(Decontamination())
    rows = Source(name="corpus", does="", writes=PASSAGES, read=lambda: iter([passages(passage(text=ZIP))]))
    stage = decontaminate.stage("clean", "keep out", PASSAGES, ["text"], rows, hashes, Decontamination())
    local.run([hashes, rows, stage], tmp_path, Silent())
    assert store.finished(tmp_path / stage.folder, stage).counts == {"ok": 1}


def test_no_rows() -> None:
    config = Decontamination(benchmarks=[Benchmark(name="zips", path="-")])
    index = Index.of([hashed("zips", [ZIP], config)], config)
    assert decontaminate.decontaminate(passages(), index, columns=["text"]) == passages()


def test_the_fingerprint_sees_the_rule_and_the_benchmarks(tmp_path: Path) -> None:
    rows = Source(name="corpus", does="", writes=PASSAGES, read=lambda: iter(()))

    def fingerprint(config: Decontamination) -> str:
        hashes = benchmarks.stage(config)
        return decontaminate.stage("clean", "", PASSAGES, ["text"], rows, hashes, config).fingerprint

    config = settings(tmp_path)
    others = [
        config.model_copy(update=changes) for changes in ({"containment": 0.6}, {"shared_words": 30}, {"ngram": 9})
    ]
    assert len({fingerprint(one) for one in (config, *others)}) == 4
