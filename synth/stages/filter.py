"""filter: rules throw out what no person would type, or what does not fit its passage. Each verdict has a name.

A rule says what it judges: queries that ask about a passage, any text that the model wrote, or rows as they are. So it
need not know the tasks, nor they it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth import plugins
from synth.config import Config
from synth.errors import SynthError
from synth.filters import QUESTIONS, ROWS, TEXTS
from synth.schemas import OK, PAIRS, annotate, conform
from synth.settings import Strict
from synth.stage import Map, Stage
from synth.text import count_words


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
            **plugins.sources("filters", config.filters),
        },
        version=3,
        fn=partial(judge, filters=config.filters),
    )


def judge(rows: pa.Table, _: None, *, filters: Mapping[str, Strict]) -> pa.Table:
    """Run `filters` in their order; each sees the rows (schemas.PAIRS) that are still ok after the ones before it."""
    for name, settings in filters.items():
        ok = pc.equal(rows.column("status"), OK)
        running = rows.filter(ok)
        rule = plugins.load("filters", name)
        shown, of = _VIEWS[getattr(rule, "JUDGES", QUESTIONS)](running)
        verdicts = rule.reject(shown, settings)
        if len(verdicts) != shown.num_rows:
            raise SynthError(
                f"filters.{name}: returned {len(verdicts)} verdicts for {shown.num_rows} rows",
                fix="`reject` must return one verdict per row, in order",
            )
        first: dict[int, str] = {}
        for row, verdict in zip(of, verdicts, strict=True):
            if verdict is not None:
                first.setdefault(row, verdict)
        places = iter(range(running.num_rows))
        rows = annotate(rows, [first.get(next(places)) if is_ok else None for is_ok in ok.to_pylist()])
    return conform(rows, PAIRS)


View = tuple[pa.Table, Sequence[int]]
"""Rows to show to a rule, and which row of the table each is of."""


def _questions(rows: pa.Table) -> View:
    """Show queries of tasks that ask about a passage."""
    asks = {
        name: plugins.load("tasks", name).SHAPE.positive == "passage" for name in set(rows.column("task").to_pylist())
    }
    at = [at for at, name in enumerate(rows.column("task").to_pylist()) if asks[name]]
    return rows.take(pa.array(at, pa.int64())), at


def _texts(rows: pa.Table) -> View:
    """Show each text that the model wrote as a query of its own, with the language and length it was to have."""
    columns = ["query", "positive", "written_negatives", "instruction", "written"]
    columns += ["query_language", "positive_language", "words", "type"]
    at: list[int] = []
    found: list[tuple[str, str, int, str]] = []
    for place, row in enumerate(rows.select(columns).to_pylist()):
        texts = list(_written(row))
        at += [place] * len(texts)
        found += texts
    shown = rows.take(pa.array(at, pa.int64()))
    for name, values in zip(_SHOWN, zip(*found, strict=True) if found else [()] * len(_SHOWN), strict=True):
        column = shown.schema.get_field_index(name)
        shown = shown.set_column(column, PAIRS.field(name), pa.array(values, PAIRS.field(name).type))
    return shown, at


_SHOWN = ("query", "query_language", "words", "type")


def _written(row: Mapping[str, Any]) -> Iterator[tuple[str, str, int, str]]:
    """Yield what the model wrote of a row: text, language, words, type."""
    written, others = row["written"], row["positive_language"]
    if "query" in written:
        yield row["query"], row["query_language"], row["words"], row["type"]
    # The others should be about as long as what they stand beside. A type (keywords, say) is one of queries.
    if "positive" in written:
        yield row["positive"], others, count_words(row["query"]), ""
    if "negatives" in written:
        words = count_words(row["positive"])
        yield from ((negative, others, words, "") for negative in row["written_negatives"])
    if "instruction" in written:
        yield row["instruction"], "en", 0, ""


def _rows(rows: pa.Table) -> View:
    return rows, range(rows.num_rows)


_VIEWS = {QUESTIONS: _questions, TEXTS: _texts, ROWS: _rows}
