"""dedup: of queries that say nearly the same, one stays."""

import contextlib
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synth import store
from synth.config import Config
from synth.schemas import CLUSTERED, OK, annotate
from synth.stage import Map, Stage, Workspace

Ids = npt.NDArray[np.bytes_]
Duplicates = tuple[Ids, Ids]
"""Sorted ids that are not kept, and the id kept for each: 40 bytes a duplicate."""


def stage(config: Config, after: Stage, groups: Stage) -> Map:
    """`groups` is the clusters."""
    return Map(
        name="dedup",
        does="keep the best of each group of queries",
        after=(after, groups),
        writes=CLUSTERED,
        open=partial(_open, groups=groups),
        fn=dedup,
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, groups: Stage) -> Iterator[Duplicates]:
    rows = store.read_part(workspace.of(groups) / "clusters.parquet")
    ids, kept = (np.array(rows.column(name).to_pylist(), "S20") for name in ("id", "cluster"))
    yield ids, kept


def dedup(rows: pa.Table, duplicates: Duplicates) -> pa.Table:
    """Give scored pairs their `cluster` (schemas.CLUSTERED), null for rows that are out, and reject all but the kept."""
    ids, kept = duplicates
    names = np.array(rows.column("id").to_pylist(), "S20")
    ok = np.array([status == OK for status in rows.column("status").to_pylist()], bool)
    places = np.searchsorted(ids, names)
    found = places < len(ids)
    found[found] = ids[places[found]] == names[found]
    found &= ok
    clusters = names.copy()
    clusters[found] = kept[places[found]]
    words = clusters.astype(str)
    rows = rows.append_column(CLUSTERED.field("cluster"), pa.array(words.tolist(), pa.string(), mask=~ok))
    return annotate(rows, (f"duplicate: of {of}" if out else None for of, out in zip(words, found, strict=True)))
