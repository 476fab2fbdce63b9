"""Nothing lost, nothing twice: what became of every row that was planned."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synth import store
from synth.errors import VerifyError
from synth.pipeline import Pipeline
from synth.schemas import FAILED, REJECTED
from synth.stage import Map


@dataclass(frozen=True)
class Account:
    """`planned = written + rejected + failed`, or the run is wrong."""

    planned: int
    written: int
    rejected: Mapping[str, int]
    """Rows by the name of the rule that rejected them."""
    failed: Mapping[str, int]
    """Rows by what failed in the engine."""

    @property
    def difference(self) -> int:
        return self.planned - self.written - sum(self.rejected.values()) - sum(self.failed.values())

    def __str__(self) -> str:
        fates = [f"{self.written:,} written"]
        fates += [f"{sum(part.values()):,} {name}" for name, part in ((REJECTED, self.rejected), (FAILED, self.failed))]
        return f"{self.planned:,} planned = {' + '.join(fates)}"


def balanced(pipeline: Pipeline, run: Path) -> Account:
    """Draw up the account of a finished run. Raises VerifyError when it does not add up."""
    planned = store.finished(run / pipeline.plan.folder, pipeline.plan).counts
    published = store.finished(run / pipeline.publish.folder, pipeline.publish).counts
    found = Account(
        sum(planned.values()),
        sum(number for name, number in published.items() if "/" not in name),
        _of(published, REJECTED),
        _of(published, FAILED),
    )
    if found.difference:
        raise VerifyError(
            f"{run}: {found}: {abs(found.difference):,} rows are {'missing' if found.difference > 0 else 'too many'}",
            fix="see what `synth verify` says of each stage, and please report it",
        )
    return found


def so_far(pipeline: Pipeline, run: Path) -> Account:
    """Draw up what is known of a run that may not be finished: the fates of rows in the last stage that is. Other rows are
    still in the running."""
    if not store.is_finished(run, pipeline.plan):
        return Account(0, 0, {}, {})
    planned = sum(store.finished(run / pipeline.plan.folder, pipeline.plan).counts.values())
    later = pipeline.stages[pipeline.stages.index(pipeline.plan) + 1 :]
    done = [stage for stage in later if isinstance(stage, Map) and store.is_finished(run, stage)]
    counts = store.finished(run / done[-1].folder, done[-1]).counts if done else {}
    return Account(planned, 0, _of(counts, REJECTED), _of(counts, FAILED))


def _of(counts: Mapping[str, int], fate: str) -> dict[str, int]:
    return {name.partition("/")[2]: number for name, number in counts.items() if name.startswith(f"{fate}/")}
