"""select: keep the pairs that are near enough, and whose query finds its own passage again."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pyarrow as pa

from synth.config import Config
from synth.controls import TaskScore
from synth.schemas import SCORED, annotate
from synth.stage import Map, Stage, Workspace

Cutoffs = Mapping[str, float | None]
"""The cosine to reach, by task."""


def stage(config: Config, after: Stage, threshold: Stage) -> Map:
    """`threshold` is the cutoff."""
    rules = {name: config.score_of(name) for name in config.tasks}
    return Map(
        name="select",
        does="keep pairs that find each other",
        after=(after, threshold),
        writes=SCORED,
        settings={
            name: rule.model_dump(mode="json", include={"max_rank", "min_margin"}) for name, rule in rules.items()
        },
        version=2,
        open=partial(_open, threshold=threshold),
        fn=partial(select, rules=rules),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, threshold: Stage) -> Iterator[Cutoffs]:
    yield json.loads((workspace.of(threshold) / "cutoff.json").read_text(encoding="utf-8"))


def select(rows: pa.Table, cutoffs: Cutoffs, *, rules: Mapping[str, TaskScore]) -> pa.Table:
    """Reject scored pairs below their task's cutoff as `low_cosine`, those ranked after `max_rank` as `not_first`, and those
    whose positive is not nearer than a written negative by `min_margin` as `not_nearer`."""

    def verdict(task: str, cosine: float | None, rank: int | None, negatives: Sequence[float]) -> str | None:
        cutoff, rule = cutoffs[task], rules[task]
        if cosine is not None and cutoff is not None and cosine < cutoff:
            return f"low_cosine: {cosine:.3f} < {cutoff:.3f}"
        if rank is not None and rule.max_rank is not None and rank > rule.max_rank:
            return f"not_first: rank {rank} > {rule.max_rank}"
        if (
            cosine is not None
            and rule.min_margin is not None
            and negatives
            and cosine - max(negatives) <= rule.min_margin
        ):
            return f"not_nearer: {cosine:.3f}, a negative {max(negatives):.3f}"
        return None

    columns = (rows.column(name).to_pylist() for name in ("task", "cosine", "rank", "written_scores"))
    return annotate(rows, map(verdict, *columns))
