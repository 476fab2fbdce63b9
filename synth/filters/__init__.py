"""A filter judges by one rule, and says in a word why it rejects a row.

A filter is a module with three names:

    JUDGES = QUESTIONS                                                   # or TEXTS, or ROWS: see below
    class Settings(Strict): ...                                          # its YAML, from synth.settings
    def reject(rows: pa.Table, settings: Settings) -> list[str | None]   # rows: schemas.PAIRS

One verdict per row, in order: null, or `reason`, or `reason: what was seen`. A filter sees only rows that are still
in the running; it looks at nothing but the row, so that a verdict does not depend on the shard. Where a rule cannot
tell (a language it does not know, a type it has no mark of) it says null: what a person might type must pass.
"""

QUESTIONS = "questions"
"""Queries that ask about a passage (tasks whose positive is one): `query` is what the model wrote, `passage` what it read."""
TEXTS = "texts"
"""Every text that the model wrote, whatever its role: each is shown as a row whose `query`, `query_language` and `words` are
those of the text. A row is rejected when one of its texts is."""
ROWS = "rows"
"""Rows as they are, of all tasks."""
