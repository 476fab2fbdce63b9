"""A filter judges queries by one rule, and says in a word why it rejects one.

A filter is a module with two names:

    class Settings(Strict): ...                                          # its YAML, from synth.settings
    def reject(rows: pa.Table, settings: Settings) -> list[str | None]   # rows: schemas.PAIRS

One verdict per row, in order: null, or `reason`, or `reason: what was seen`. A filter sees only rows that are still
in the running; it looks at nothing but the row, so that a verdict does not depend on the shard. Where a rule cannot
tell (a language it does not know, a type it has no mark of) it says null: what a person might type must pass.
"""
