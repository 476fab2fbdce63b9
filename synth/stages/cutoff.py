"""cutoff: the cosine that a pair must reach, from a fixed threshold, from a quantile of the run itself, or from both."""

import json
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.config import Config
from synth.schemas import OK, SCORED
from synth.stage import Fold, Stage, Workspace


def stage(config: Config, after: Stage) -> Fold:
    settings = config.score.model_dump(mode="json", include={"min_cosine", "min_quantile"})
    return Fold(
        name="cutoff",
        does="find the score to reach",
        after=(after,),
        writes=pa.schema([SCORED.field("cosine")]),
        settings=settings,
        fn=partial(fold, min_cosine=config.score.min_cosine, min_quantile=config.score.min_quantile),
        columns=("status", "cosine"),
    )


def fold(
    shards: Iterator[pa.Table], workspace: Workspace, *, min_cosine: float | None, min_quantile: float | None
) -> Mapping[str, int]:
    """Write cutoff.json: {"cosine": x or null}. Holds 4 bytes a row that is ok, since the quantile is exact."""
    parts = [np.zeros(0, np.float32)]
    for rows in shards:
        kept = rows.column("cosine").filter(pc.equal(rows.column("status"), OK))
        parts.append(kept.combine_chunks().to_numpy(zero_copy_only=False).astype(np.float32))
    cosines = np.concatenate(parts)
    found = cutoff(cosines, min_cosine, min_quantile)
    (workspace.folder / "cutoff.json").write_text(json.dumps({"cosine": found}) + "\n", encoding="utf-8")
    return {"scored": len(cosines)}


def cutoff(cosines: npt.NDArray[np.float32], min_cosine: float | None, min_quantile: float | None) -> float | None:
    """Return the lowest cosine that stays, the stricter of the two rules; null when neither asks for one.

    Of n rows without ties, the floor(min_quantile * n) lowest fall below it.
    """
    found = [] if min_cosine is None else [min_cosine]
    if min_quantile is not None and len(cosines):
        below = int(min_quantile * len(cosines) + 1e-9)  # 0.29 * 100 is 28.999…
        found.append(float(np.partition(cosines, below)[below]))
    return max(found, default=None)
