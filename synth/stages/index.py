"""index: all passages in the running and their vectors, as files to search in."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from synth import index
from synth.config import Config
from synth.stage import Fold, Stage, Workspace

NEAR, NGRAM = 0.8, 5
"""Passages are near-copies from this Jaccard similarity of their character 5-grams: it lets one word in thirty differ,
while two passages of a language that have nothing in common stay below 0.2."""


def stage(config: Config, after: Stage) -> Fold:
    return Fold(
        name="index",
        does="make passages searchable",
        after=(after,),
        writes=index.INDEX,
        version=2,
        settings={"threshold": NEAR, "ngram": NGRAM},
        fn=build,
        columns=index.COLUMNS,
    )


def build(shards: Iterator[pa.Table], workspace: Workspace) -> Mapping[str, int]:
    passages, copies = index.write(shards, workspace.folder, threshold=NEAR, ngram=NGRAM)
    return {"passages": passages, "near_copies": copies}
