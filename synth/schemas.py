"""The data dictionary: one Arrow schema per hand-off, and how ids and seeds come about.

Rows are annotated, never removed: from `generate` to `negatives` a stage writes every row it read, in the
same order, under the same ids. `status` says whether a row is still in the running, `reason` and `detail` why not.
"""

import hashlib
from collections.abc import Iterable, Mapping

import pyarrow as pa

OK, REJECTED, FAILED = "ok", "rejected", "failed"


def stable_id(*parts: str | int) -> str:
    """Hash `parts` to 20 hex digits.

    80 bits: among 10^9 rows, two ids are the same with a probability of about 4 in 10 million.
    The parts are joined by NUL, which no text of ours contains (`clean` takes it out of documents).
    """
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=10).hexdigest()


def stable_seed(*parts: str | int) -> int:
    """Hash `parts` to a seed in [0, 2^31): engines differ on wider ones."""
    return int(stable_id(*parts), 16) & 0x7FFF_FFFF


def _field(name: str, kind: pa.DataType, doc: str, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null, metadata={"doc": doc})


_TEXTS = pa.list_(pa.field("item", pa.string(), nullable=False))
_NUMBERS = pa.list_(pa.field("item", pa.float32(), nullable=False))

STATE = [
    _field("status", pa.string(), "`ok`; `rejected` by a rule of ours; `failed` in the engine"),
    _field("reason", pa.string(), "name of the rule or failure; null while ok", null=True),
    _field("detail", pa.string(), "what the rule saw, for a person to read", null=True),
]

PASSAGES = pa.schema(
    [
        _field("id", pa.string(), "hash of the text: the same passage has the same id in every run"),
        _field("document_id", pa.string(), "the corpus's own id, else the hash of the whole document"),
        _field("source", pa.string(), "file and row, or dataset and row, that the document came from"),
        _field("title", pa.string(), "title of the document; empty when it has none"),
        _field("text", pa.string(), "the passage; of a rejected document, its first 200 characters"),
        _field("language", pa.string(), "ISO 639-1 code, given by the corpus or detected; `und` when unknown"),
        _field("syntax", pa.string(), "programming language of a source file; empty for prose"),
        _field("parallel", pa.string(), "what translations of one document share; empty when it has none"),
        _field("ordinal", pa.int32(), "0-based number of the passage in its document"),
        _field("passages", pa.int32(), "number of passages that its document was cut into"),
        _field("tokens", pa.int32(), "estimated tokens of the text"),
        *STATE,
    ]
)

PERSONAS = pa.schema(
    [
        *PASSAGES,
        _field("personas", _TEXTS, "the nearest personas of the library, nearest first"),
        _field(
            "embedding",
            pa.list_(pa.field("item", pa.float16(), nullable=False)),
            "of the text as a document, unit length; empty when rejected",
        ),
    ]
)

PLAN = pa.schema(
    [
        _field("id", pa.string(), "hash of the run's seed, task, passage id and ordinal"),
        _field("task", pa.string(), "name of the task"),
        _field("round", pa.int32(), "1-based round it was planned in; more than one only with targets"),
        _field("cell", pa.string(), "the target it was planned for; empty without targets"),
        _field("ordinal", pa.int32(), "0-based number of the row among those of its task and passage"),
        _field("seed", pa.int64(), "of everything random about this row"),
        _field("passage_id", pa.string(), "id of the passage"),
        _field("document_id", pa.string(), "id of the passage's document"),
        _field("source", pa.string(), "file and row of the document"),
        _field("title", pa.string(), "title of the document; may be empty"),
        _field("passage", pa.string(), "text of the passage"),
        _field("passage_language", pa.string(), "ISO 639-1 code"),
        _field("syntax", pa.string(), "programming language of a source file; empty for prose"),
        _field("parallel", pa.string(), "what translations of one document share; empty when it has none"),
        _field("translation", pa.string(), "the passage in `query_language`, where the corpus has it; else empty"),
        _field("query_language", pa.string(), "ISO 639-1 code of the language to write in"),
        _field("types", _TEXTS, "types to choose from, in the order to name them; one when it is prescribed"),
        _field("difficulties", _TEXTS, "difficulties to choose from; one when it is prescribed"),
        _field("length", pa.string(), "name of the length; empty when the task has none"),
        _field("words", pa.int32(), "length to ask for, in words; 0 when the task has none"),
        _field("clarity", pa.string(), "name of the clarity; empty when the task has none"),
        _field("personas", _TEXTS, "candidates to choose from"),
    ]
)

PAIRS = pa.schema(
    [
        *PLAN,
        _field("instruction", pa.string(), "English task instruction for the embedder"),
        _field("query", pa.string(), "the anchor; empty when the row failed"),
        _field("positive", pa.string(), "what belongs to the query"),
        _field("positive_language", pa.string(), "ISO 639-1 code of positive and negatives"),
        _field("written_negatives", _TEXTS, "negatives that belong to the row"),
        _field("written", _TEXTS, "which of `query`, `positive`, `negatives` and `instruction` the model wrote"),
        _field("type", pa.string(), "type; empty when none was chosen"),
        _field("difficulty", pa.string(), "difficulty; empty when none was chosen"),
        _field("persona", pa.string(), "the reader the model played; empty when none was chosen"),
        _field("label", pa.string(), "class of the query; empty when it has none"),
        _field("similarity", pa.float32(), "graded similarity of query and positive, 0 to 5", null=True),
        _field("written_similarities", _NUMBERS, "of the query and each written negative; empty when not graded"),
        _field("templates", pa.string(), "hash of the task's templates"),
        _field("model", pa.string(), "generator model"),
        _field(
            "examples", _TEXTS, "worked answers that the prompts showed; equal in all rows, so Parquet stores them once"
        ),
        _field("requests", _TEXTS, "journal keys of the requests behind this row, in order"),
        _field(
            "asked", pa.int32(), "number of them; one that rows of a passage share counts for the first of these rows"
        ),
        _field("prompt_tokens", pa.int32(), "of the requests that count, before any cache"),
        _field("cached_tokens", pa.int32(), "of the prompt tokens, those that the engine's prefix cache had"),
        _field("output_tokens", pa.int32(), "of their answers"),
        *STATE,
    ]
)

_CANDIDATES = pa.list_(
    pa.field(
        "item",
        pa.struct([pa.field("row", pa.int64(), nullable=False), pa.field("score", pa.float32(), nullable=False)]),
        nullable=False,
    )
)

SCORED = pa.schema(
    [
        *PAIRS,
        _field("cosine", pa.float32(), "cosine of query and positive; null when not scored", null=True),
        _field("written_scores", _NUMBERS, "cosine of the query and each written negative"),
        _field(
            "rank",
            pa.int32(),
            "1-based rank of the positive among the corpus for the query; null where the positive is no passage",
            null=True,
        ),
        _field("candidates", _CANDIDATES, "nearest other passages, best first: row in the index, cosine"),
    ]
)

CLUSTERED = pa.schema(
    [*SCORED, _field("cluster", pa.string(), "id of the row kept for this group of near-equal queries", null=True)]
)

KNOWN = pa.schema(
    [
        _field("row", pa.string(), "id of a row that an earlier run planned, or published: then it stands twice"),
        _field("task", pa.string(), "its task; empty of one that was planned"),
        _field("query", pa.string(), "its query, if it was published", null=True),
    ]
)

_SOME_NUMBERS = pa.list_(pa.field("item", pa.float32()))

RERANKED = pa.schema(
    [
        *CLUSTERED,
        _field(
            "positive_rerank",
            pa.float32(),
            "relevance of the positive to the query, 0 to 1, by the reranker; null when it was not asked",
            null=True,
        ),
        _field(
            "candidate_reranks",
            _SOME_NUMBERS,
            "the same of each of `candidates`; null for one that it was not asked of",
        ),
    ]
)

_NEGATIVES = [
    _field("negatives", _TEXTS, "hard negatives: first those written for the row, then the mined, hardest first"),
    _field("negative_ids", _TEXTS, "their passage ids; empty for one that is no passage"),
    _field("negative_scores", _NUMBERS, "cosine of the query and each negative"),
    _field("negative_kinds", _TEXTS, "`written` for the row by the model, or `mined` among the corpus"),
    _field(
        "negative_similarities",
        _SOME_NUMBERS,
        "graded similarity of the query and each negative, 0 to 5; null for one that is not graded",
    ),
    _field(
        "negative_reranks",
        _SOME_NUMBERS,
        "relevance of each negative to the query, 0 to 1, by the reranker; null when it was not asked",
    ),
]

NEGATIVES = tuple(field.name for field in _NEGATIVES)

MINED = pa.schema(
    [
        *(
            f
            for f in RERANKED
            if f.name
            not in (
                "candidates",
                "candidate_reranks",
                "examples",
                "written_negatives",
                "written_scores",
                "written_similarities",
            )
        ),
        *_NEGATIVES,
    ]
)

DATASET = pa.schema(
    [
        _field("id", pa.string(), "stable id of the row"),
        _field("task", pa.string(), "name of the task"),
        _field("instruction", pa.string(), "English instruction for the query's side"),
        _field("query", pa.string(), "anchor"),
        _field(
            "positive", pa.string(), "what belongs to the query: a passage that answers it, a translation, a label …"
        ),
        _NEGATIVES[0],
        _field("positive_score", pa.float32(), "cosine of query and positive"),
        _NEGATIVES[2],
        _NEGATIVES[3],
        RERANKED.field("positive_rerank"),
        _NEGATIVES[5],
        _field(
            "similarity", pa.float32(), "graded similarity of query and positive, 0 to 5; null if not graded", null=True
        ),
        _NEGATIVES[4],
        _field("label", pa.string(), "class of the query; empty when the task has none"),
        _field("rank", pa.int32(), "rank of the positive among the corpus; null where it is no passage", null=True),
        _field("query_language", pa.string(), "ISO 639-1 code of the query"),
        _field("positive_language", pa.string(), "ISO 639-1 code of positive and negatives"),
        _field("type", pa.string(), "type, as the task defines it"),
        _field("difficulty", pa.string(), "difficulty; empty when the task has none"),
        _field("length", pa.string(), "length that was asked for; empty when the task has none"),
        _field("clarity", pa.string(), "clarity that was asked for; empty when the task has none"),
        _field("persona", pa.string(), "reader the generator played; empty when the task has none"),
        _field("title", pa.string(), "title of the source document"),
        _field("document_id", pa.string(), "source document; a document is in one split only"),
        _field("passage_id", pa.string(), "source passage"),
        _NEGATIVES[1],
        _field("source", pa.string(), "where the document came from"),
        _field("cluster", pa.string(), "group of near-equal queries this row was kept for"),
        _field("model", pa.string(), "generator"),
        _field("templates", pa.string(), "hash of the prompt templates"),
    ]
)

SCORED_PAIRS = pa.schema(
    [
        _field("sentence1", pa.string(), "one text"),
        _field("sentence2", pa.string(), "another text"),
        _field("score", pa.float32(), "graded similarity, 0 to 1"),
        _field("id", pa.string(), "id of the row of the triples that the pair is of"),
        _field("language", pa.string(), "ISO 639-1 code of both texts"),
    ]
)


def table(schema: pa.Schema, rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """Build a table of exactly `schema` from `rows`; a missing non-null value raises, rather than turning null."""
    return conform(pa.Table.from_pylist(list(rows), schema=schema), schema)


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `rows` with exactly the columns, order and types of `schema`.

    Raises ValueError when a column is missing, of another type, or null where the schema forbids it.
    """
    if missing := [name for name in schema.names if name not in rows.column_names]:
        raise ValueError(f"columns missing: {', '.join(missing)}")
    rows = rows.select(schema.names)
    for field in schema:
        column = rows.column(field.name)
        if column.type != field.type:
            raise ValueError(f"column {field.name!r} is {column.type}, the schema says {field.type}")
        if not field.nullable and column.null_count:
            raise ValueError(f"column {field.name!r} has {column.null_count} nulls, the schema allows none")
    return pa.Table.from_arrays(rows.columns, schema=schema)


def annotate(rows: pa.Table, verdicts: Iterable[str | None]) -> pa.Table:
    """Mark rows as rejected. `verdicts` has one entry per row: null, or `reason`, or `reason: detail`.

    A row that is out already keeps its first reason.
    """
    status, reason, detail = (rows.column(name).to_pylist() for name in ("status", "reason", "detail"))
    for i, verdict in enumerate(verdicts):
        if verdict is not None and status[i] == OK:
            status[i] = REJECTED
            reason[i], _, text = verdict.partition(": ")
            detail[i] = text or None
    for name, values in (("status", status), ("reason", reason), ("detail", detail)):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.array(values, pa.string()))
    return rows


def counts(rows: pa.Table) -> dict[str, int]:
    """Count rows by fate: `ok`, `rejected/<reason>`, `failed/<reason>`; sorted by name. Rows without a status are ok."""
    if "status" not in rows.column_names:
        return {OK: rows.num_rows} if rows.num_rows else {}
    found: dict[str, int] = {}
    for status, reason in zip(rows.column("status").to_pylist(), rows.column("reason").to_pylist(), strict=True):
        name = status if status == OK else f"{status}/{reason}"
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))
