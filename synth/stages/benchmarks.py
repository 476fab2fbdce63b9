"""benchmarks: the texts that the dataset must not hold, as hashes. Built once; the checks of all stages look them up."""

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa

from synth import readers
from synth.benchmarks import Decontamination, files, texts
from synth.contamination import BENCHMARKS, hashed
from synth.formats import File
from synth.stage import Source
from synth.textsign import batches

_SHARD = 1 << 18
"""Rows of a shard: 2 MB of hashes."""


def stage(config: Decontamination) -> Source:
    """Raises InputError when a benchmark's file is missing."""
    found = [files(benchmark) for benchmark in config.benchmarks]
    return Source(
        name="benchmarks",
        does="hash the texts of benchmarks",
        writes=BENCHMARKS,
        # How many hashes make a hit is for those who look them up.
        settings={
            **config.model_dump(mode="json", include={"benchmarks", "ngram", "shortest"}),
            "files": [[readers.stamp(file) for file in some] for some in found],
        },
        read=partial(_shards, config, found),
    )


def _shards(config: Decontamination, found: Sequence[Sequence[File]]) -> Iterator[pa.Table]:
    """Yield the hashes of batch after batch of texts (BENCHMARKS), one benchmark after the other; `found` are their files.

    Within a batch, a hash stands once; another batch may have it again. Raises InputError as `benchmarks.texts` does.
    """
    for benchmark, there in zip(config.benchmarks, found, strict=True):
        for batch in batches(texts(benchmark, there)):
            rows = hashed(benchmark.name, batch, config)
            for start in range(0, rows.num_rows, _SHARD):
                yield rows.slice(start, _SHARD)
