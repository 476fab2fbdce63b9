"""MTEB: a dataset of JSON lines with a card, which mteb's own loader reads: corpus, queries, and qrels by split.

The same rows as `beir`, whose qrels are a table: `datasets`, by which mteb loads, takes one reader for all files of a folder.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from synth import schemas
from synth.exports import Line, Lines, Options, Row
from synth.exports._corpus import documents

READS = schemas.DATASET
OPTIONS = frozenset[str]()


def lines(row: Row, split: str, options: Options) -> Lines:
    if row["rank"] is None:
        return "positive_is_no_passage"
    return [
        *documents(row),
        Line("queries.jsonl", {"_id": row["id"], "text": row["query"]}),
        Line(f"qrels/{split}.jsonl", {"query-id": row["id"], "corpus-id": row["passage_id"], "score": 1}),
    ]


def card(files: Mapping[str, int], content: str) -> str:
    """Write the header that says which file is what; mteb's loader asks for these names. The description is what `datasets`
    tells one folder's rows from another's by: of a folder with a card its cache knows the last name and the header alone."""
    splits = [name.removeprefix("qrels/").removesuffix(".jsonl") for name in files if name.startswith("qrels/")]
    configs = [
        _config("default", {split: f"qrels/{split}.jsonl" for split in splits}, content),
        _config("corpus", {"corpus": "corpus.jsonl"}, content),
        _config("queries", {"queries": "queries.jsonl"}, content),
    ]
    return f"---\n{yaml.safe_dump({'configs': configs}, sort_keys=False)}---\n"


def _config(name: str, files: Mapping[str, str], content: str) -> dict[str, Any]:
    named = [{"split": split, "path": path} for split, path in files.items()]
    return {"config_name": name, "description": f"rows {content}", "data_files": named}
