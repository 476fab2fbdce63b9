"""decontaminate: reject what stands in a benchmark. Passages before anything is written of them, pairs after."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa

from synth import store
from synth.benchmarks import Decontamination
from synth.contamination import Index, verdict
from synth.schemas import OK, annotate
from synth.stage import Map, Stage, Workspace


def stage(
    name: str,
    does: str,
    schema: pa.Schema,
    columns: Sequence[str],
    after: Stage,
    benchmarks: Stage,
    settings: Decontamination,
) -> Map:
    """Check the texts in `columns` of rows of `schema` against the stage `benchmarks`."""
    return Map(
        name=name,
        does=does,
        after=(after, benchmarks),
        writes=schema,
        settings={
            "columns": list(columns),
            **settings.model_dump(mode="json", include={"containment", "shared_words"}),
        },
        open=partial(_open, benchmarks=benchmarks, settings=settings),
        fn=partial(decontaminate, columns=tuple(columns)),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, benchmarks: Stage, settings: Decontamination) -> Iterator[Index]:
    yield Index.of(store.read_parts(workspace.run, benchmarks), settings)


def decontaminate(rows: pa.Table, index: Index, *, columns: Sequence[str]) -> pa.Table:
    """Reject rows of which a text stands in a benchmark as `contaminated`; `detail` says in which, and how that was seen.

    Rows that are out are not looked at. A text that several rows share is looked up once.
    """
    running = [status == OK for status in rows.column("status").to_pylist()]
    texts = {name: rows.column(name).to_pylist() for name in columns}
    distinct = dict.fromkeys(text for column in texts.values() for text, ok in zip(column, running, strict=True) if ok)
    hits = dict(zip(distinct, index.hits(list(distinct)), strict=True))
    return annotate(
        rows,
        (verdict({name: hits[texts[name][at]] for name in columns}) if ok else None for at, ok in enumerate(running)),
    )
