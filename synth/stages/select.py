"""select: keep the pairs that are near enough, and whose query finds its own passage again."""

import contextlib
import json
from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from synth.config import Config
from synth.schemas import SCORED, annotate
from synth.stage import Map, Stage, Workspace


def stage(config: Config, after: Stage, threshold: Stage) -> Map:
    """`threshold` is the cutoff."""
    return Map(
        name="select",
        does="keep pairs that find each other",
        after=(after, threshold),
        writes=SCORED,
        settings={"max_rank": config.score.max_rank},
        open=partial(_open, threshold=threshold),
        fn=partial(select, max_rank=config.score.max_rank),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, threshold: Stage) -> Iterator[float | None]:
    yield json.loads((workspace.of(threshold) / "cutoff.json").read_text(encoding="utf-8"))["cosine"]


def select(rows: pa.Table, cutoff: float | None, *, max_rank: int | None) -> pa.Table:
    """Reject scored pairs below `cutoff` as `low_cosine`, and those ranked after `max_rank` as `not_first`."""

    def verdict(cosine: float | None, rank: int | None) -> str | None:
        if cosine is not None and cutoff is not None and cosine < cutoff:
            return f"low_cosine: {cosine:.3f} < {cutoff:.3f}"
        if rank is not None and max_rank is not None and rank > max_rank:
            return f"not_first: rank {rank} > {max_rank}"
        return None

    return annotate(rows, map(verdict, rows.column("cosine").to_pylist(), rows.column("rank").to_pylist()))
