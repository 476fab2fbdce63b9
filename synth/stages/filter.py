"""filter: rules throw out what no person would type, or what does not fit its passage. Each verdict has a name."""

from collections.abc import Mapping
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from synth import plugins
from synth.config import Config
from synth.errors import SynthError
from synth.schemas import OK, PAIRS, annotate, conform
from synth.settings import Strict
from synth.stage import Map, Stage


def stage(config: Config, after: Stage) -> Map:
    return Map(
        name="filter",
        does="reject by rule: copies, parrots, debris, wrong type or language",
        after=(after,),
        writes=PAIRS,
        # The order is written down too: it decides which of two reasons a row gets.
        settings={
            "order": list(config.filters),
            **{name: settings.model_dump(mode="json") for name, settings in config.filters.items()},
        },
        fn=partial(judge, filters=config.filters),
    )


def judge(rows: pa.Table, _: None, *, filters: Mapping[str, Strict]) -> pa.Table:
    """Run `filters` in their order; each sees the rows (schemas.PAIRS) that are still ok after the ones before it."""
    for name, settings in filters.items():
        ok = pc.equal(rows.column("status"), OK)
        running = rows.filter(ok)
        verdicts = plugins.load("filters", name).reject(running, settings)
        if len(verdicts) != running.num_rows:
            raise SynthError(
                f"filters.{name}: returned {len(verdicts)} verdicts for {running.num_rows} rows",
                fix="`reject` must return one verdict per row, in order",
            )
        left = iter(verdicts)
        rows = annotate(rows, [next(left) if is_ok else None for is_ok in ok.to_pylist()])
    return conform(rows, PAIRS)
