"""cutoff: the cosine that a pair of each task must reach: a fixed threshold, a quantile of the run itself, or both."""

import json
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.config import Config
from synth.controls import TaskScore
from synth.schemas import OK, SCORED
from synth.stage import Fold, Stage, Workspace


def stage(config: Config, after: Stage) -> Fold:
    rules = {name: config.score_of(name) for name in config.tasks}
    return Fold(
        name="cutoff",
        does="find the score to reach",
        after=(after,),
        writes=pa.schema([SCORED.field("cosine")]),
        settings={
            name: rule.model_dump(mode="json", include={"min_cosine", "min_quantile"}) for name, rule in rules.items()
        },
        version=2,
        fn=partial(fold, rules=rules),
        columns=("task", "status", "cosine"),
    )


def fold(shards: Iterator[pa.Table], workspace: Workspace, *, rules: Mapping[str, TaskScore]) -> Mapping[str, int]:
    """Write cutoff.json: {task: cosine or null}. Holds 4 bytes a row that is ok, since the quantile is exact."""
    parts: dict[str, list[npt.NDArray[np.float32]]] = {name: [np.zeros(0, np.float32)] for name in rules}
    for rows in shards:
        rows = rows.filter(pc.equal(rows.column("status"), OK))
        for name in rules:
            kept = rows.column("cosine").filter(pc.equal(rows.column("task"), name))
            parts[name].append(kept.combine_chunks().to_numpy(zero_copy_only=False).astype(np.float32))
    cosines = {name: np.concatenate(found) for name, found in parts.items()}
    reached = {name: cutoff(cosines[name], rule.min_cosine, rule.min_quantile) for name, rule in rules.items()}
    (workspace.folder / "cutoff.json").write_text(json.dumps(reached) + "\n", encoding="utf-8")
    return {"scored": sum(map(len, cosines.values()))}


def cutoff(cosines: npt.NDArray[np.float32], min_cosine: float | None, min_quantile: float | None) -> float | None:
    """Return the lowest cosine that stays, the stricter of the two rules; null when neither asks for one.

    Of n rows without ties, the floor(min_quantile * n) lowest fall below it.
    """
    found = [] if min_cosine is None else [min_cosine]
    if min_quantile is not None and len(cosines):
        below = int(min_quantile * len(cosines) + 1e-9)  # 0.29 * 100 is 28.999…
        found.append(float(np.partition(cosines, below)[below]))
    return max(found, default=None)
