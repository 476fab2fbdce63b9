"""`wrong_language`: a query in another language than was asked for."""

import pyarrow as pa

from synth import languages
from synth.filters import TEXTS
from synth.settings import Strict

JUDGES = TEXTS


class Settings(Strict):
    """None: where the languages' own measured thresholds cannot tell, a query passes."""


def reject(rows: pa.Table, settings: Settings) -> list[str | None]:
    pairs = zip(rows.column("query").to_pylist(), rows.column("query_language").to_pylist(), strict=True)
    seen = (languages.is_language(query, expected) for query, expected in pairs)
    return [f"wrong_language: {looks}" if looks else None for looks in seen]
