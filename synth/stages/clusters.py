"""clusters: which queries say nearly the same, and which of them is kept."""

import itertools
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth import store
from synth.config import Config, Dedup
from synth.minhash import NearCopies
from synth.schemas import CLUSTERED, OK
from synth.stage import Fold, Stage, Workspace

CLUSTERS = pa.schema([CLUSTERED.field("id"), pa.field("cluster", pa.string(), nullable=False)])


def stage(config: Config, after: Stage, known: Stage | None = None) -> Fold:
    """`known` has what earlier runs published, if there are any."""
    return Fold(
        name="clusters",
        does="find queries that say nearly the same",
        after=(after, *([known] if known else [])),
        writes=CLUSTERS,
        settings=config.dedup.model_dump(mode="json"),
        fn=partial(fold, settings=config.dedup, known=known),
        version=2,
        columns=("id", "task", "query", "status", "cosine"),
    )


def fold(
    shards: Iterator[pa.Table], workspace: Workspace, *, settings: Dedup, known: Stage | None = None
) -> Mapping[str, int]:
    """Write clusters.parquet (schema CLUSTERS): the rows that are ok and not kept, by id, and the id kept for each.

    Queries of different tasks are never one. Kept is a row that an earlier run published, else the row of the highest
    cosine, of the lowest id among equals, whatever the order of rows. Holds 32 bytes a row for id, cosine and place, and NearCopies' 580.
    """
    tasks: dict[str, NearCopies] = {}
    places: dict[str, list[int]] = {}
    ids, cosines = [np.zeros(0, "S20")], [np.zeros(0, np.float32)]
    rows_before = 0
    published = store.read_parts(workspace.run, known) if known else iter(())
    for rows in itertools.chain(map(_as_best, published), shards):
        rows = rows.filter(pc.equal(rows.column("status"), OK))
        for task in rows.column("task").unique().to_pylist():
            at = np.flatnonzero(pc.equal(rows.column("task"), task).to_numpy(zero_copy_only=False))
            near = tasks.setdefault(task, NearCopies(settings.threshold, settings.ngram, settings.permutations))
            near.add(rows.column("query").take(pa.array(at)).to_pylist())
            places.setdefault(task, []).extend((rows_before + at).tolist())
        ids.append(np.array(rows.column("id").to_pylist(), "S20"))
        cosines.append(np.array(rows.column("cosine").to_pylist(), np.float32))
        rows_before += rows.num_rows
    labels = np.zeros(rows_before, np.int64)
    for task, near in tasks.items():
        mine = np.array(places[task], np.int64)
        labels[mine] = mine[near.labels()]
    names = np.concatenate(ids)
    kept = best(labels, names, np.concatenate(cosines))
    ours = np.concatenate(cosines) < np.inf
    out = np.flatnonzero((kept != np.arange(len(kept))) & ours)
    out = out[np.argsort(names[out])]
    columns = [pa.array(names[rows].astype(str).tolist(), pa.string()) for rows in (out, kept[out])]
    pq.write_table(pa.Table.from_arrays(columns, schema=CLUSTERS), workspace.folder / "clusters.parquet")
    return {"clusters": int(ours.sum()) - len(out), "duplicates": len(out)}


def _as_best(known: pa.Table) -> pa.Table:
    """Return published rows (schemas.KNOWN) as if no other could be better."""
    rows = known.filter(known.column("query").is_valid()).rename_columns({"row": "id"})
    rows = rows.append_column("status", pa.array([OK] * len(rows), pa.string()))
    return rows.append_column("cosine", pa.array([float("inf")] * len(rows), pa.float32()))


def best(
    labels: npt.NDArray[np.int64], ids: npt.NDArray[np.bytes_], cosines: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Return per row the number of the row to keep of its group: highest cosine, then lowest id."""
    order = np.lexsort((ids, -cosines, labels))
    _, first, inverse = np.unique(labels[order], return_index=True, return_inverse=True)
    kept = np.empty(len(labels), np.int64)
    kept[order] = order[first[inverse]]
    return kept
