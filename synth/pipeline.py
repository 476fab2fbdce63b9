"""The whole of synth on one page: the stages that turn a corpus into a training set, in order.

Each is materialised before the next begins, so that every model has the machine to itself, and a changed setting runs
only what comes after it again. A stage is a file in `synth/stages/`; what it hands on is a schema in `synth/schemas.py`.
"""

from dataclasses import dataclass

from synth.config import Config
from synth.stage import Fold, Map, Source, Stage
from synth.stages import (
    clusters,
    corpus,
    cutoff,
    dedup,
    filter,
    generate,
    index,
    negatives,
    personas,
    plan,
    publish,
    score,
    select,
)


@dataclass(frozen=True)
class Pipeline:
    """The stages of a run, by name; iterate over it for their order."""

    corpus: Source
    personas: Map
    index: Fold
    plan: Map
    generate: Map
    filter: Map
    score: Map
    cutoff: Fold
    select: Map
    clusters: Fold
    dedup: Map
    negatives: Map
    publish: Fold

    @property
    def stages(self) -> list[Stage]:
        return list(vars(self).values())


def build(config: Config) -> Pipeline:
    """Lay out the run that a config describes. Reads templates and lists the corpus; computes nothing."""
    documents = corpus.stage(config)  # documents → passages
    readers = personas.stage(config, documents)  # the five nearest personas of each passage
    passages = index.stage(config, readers)  # all passages and their vectors, for ranks and negatives
    planned = plan.stage(config, readers)  # what to ask: length, language, candidates
    written = generate.stage(config, planned)  # the LLM writes
    filtered = filter.stage(config, written)  # rules, each with a named reason
    scored = score.stage(config, filtered, passages)  # cosine, rank, nearest other passages
    threshold = cutoff.stage(config, scored)  # the score to reach
    selected = select.stage(config, scored, threshold)  # what reaches it
    groups = clusters.stage(config, selected)  # near-equal queries
    distinct = dedup.stage(config, selected, groups)  # the best of each group
    mined = negatives.stage(config, distinct, passages)  # hard negatives, false ones kept out
    dataset = publish.stage(config, mined, (documents, readers, planned, written, filtered, selected, distinct))
    return Pipeline(
        documents, readers, passages, planned, written, filtered, scored, threshold, selected, groups, distinct, mined, dataset
    )  # fmt: skip
