"""The whole of synth on one page: the stages that turn a corpus into a training set, in order.

Each is materialised before the next begins, so that every model has the machine to itself, and a changed setting runs
only what comes after it again. A stage is a file in `synth/stages/`; what it hands on is a schema in `synth/schemas.py`.
With targets, `plan` to `quota` go in rounds: each plans what is short, and adds shards to those that are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synth import rounds
from synth.config import Config
from synth.schemas import PAIRS, PASSAGES
from synth.stage import Fold, Map, Rounds, Source, Stage
from synth.stages import (
    benchmarks,
    clusters,
    corpus,
    cutoff,
    decontaminate,
    dedup,
    filter,
    generate,
    index,
    judge,
    known,
    negatives,
    personas,
    plan,
    publish,
    quota,
    rerank,
    score,
    select,
)


@dataclass(frozen=True)
class Pipeline:
    """The stages of a run, by name, in order; null are those of what a config can do without: earlier runs, benchmarks,
    a reranker."""

    corpus: Source
    known: Source | None
    benchmarks: Source | None
    screen: Map | None
    personas: Map
    index: Fold
    plan: Rounds
    generate: Map
    filter: Map
    decontaminate: Map | None
    score: Map
    cutoff: Fold
    select: Map
    clusters: Fold
    dedup: Map
    rerank: Map | None
    judge: Map | None
    negatives: Map
    quota: Fold
    publish: Fold

    @property
    def stages(self) -> list[Stage]:
        return [stage for stage in vars(self).values() if stage]


def build(config: Config) -> Pipeline:
    """Lay out the run that a config describes. Reads templates and lists the corpus; computes nothing."""

    def orders(run: Path) -> Sequence[str]:
        return rounds.read(run, config, counted.fingerprint)

    documents = corpus.stage(config)  # documents → passages
    before = known.stage(config) if config.known else None  # rows of earlier runs
    hashes, screened = _screened(config, documents)  # texts of benchmarks are out
    readers = personas.stage(config, screened or documents)  # the five nearest personas of each passage
    passages = index.stage(config, readers)  # all passages and their vectors, for ranks and negatives
    planned = plan.stage(config, readers, passages, orders, before)  # what to ask: task, language, types, length
    written = generate.stage(config, planned)  # the LLM writes
    filtered = filter.stage(config, written)  # rules, each with a named reason
    apart = _apart(config, filtered, hashes)  # once more, of what was written
    scored = score.stage(config, apart or filtered, passages)  # cosine, rank, nearest other passages
    threshold = cutoff.stage(config, scored)  # the score to reach
    selected = select.stage(config, scored, threshold)  # what reaches it
    groups = clusters.stage(config, selected, before)  # near-equal queries
    distinct = dedup.stage(config, selected, groups)  # the best of each group
    read, judged = _judged(config, distinct, passages)  # a reranker's word on pairs and would-be negatives
    mined = negatives.stage(config, judged or distinct, passages)  # hard negatives, false ones kept out
    counted = quota.stage(config, mined, passages, written, orders)  # short of the targets: plan goes another round
    counting = (documents, screened, readers, planned, written, filtered, apart, selected, distinct, read, judged)
    dataset = publish.stage(config, mined, counted, [stage for stage in counting if stage], hashes)
    return Pipeline(
        documents, before, hashes, screened, readers, passages, planned, written, filtered, apart, scored, threshold, selected,
        groups, distinct, read, judged, mined, counted, dataset,
    )  # fmt: skip


def _judged(config: Config, rows: Map, passages: Fold) -> tuple[Map | None, Map | None]:
    if config.reranker is None:
        return None, None
    read = rerank.stage(config, config.reranker, rows, passages)
    return read, judge.stage(config, read)


def _apart(config: Config, rows: Map, hashes: Source | None) -> Map | None:
    if hashes is None:
        return None
    does, columns = "keep benchmarks out of rows", ["query", "positive"]
    return decontaminate.stage("decontaminate", does, PAIRS, columns, rows, hashes, config.decontamination)


def _screened(config: Config, documents: Source) -> tuple[Source | None, Map | None]:
    rule = config.decontamination
    if not rule.benchmarks:
        return None, None
    hashes = benchmarks.stage(rule)
    does = "keep benchmarks out of passages"
    return hashes, decontaminate.stage("screen", does, PASSAGES, ["text"], documents, hashes, rule)
