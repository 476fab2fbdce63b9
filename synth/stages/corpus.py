"""corpus: documents in, passages out. Read, cleaned, cut, their language told, exact duplicates marked.

Prose is cut into passages by `passages`, code into functions by `sources`; which of them a document is, its `syntax` says.

Every row of the input is accounted for: a document gives its passages, or one rejected row that says why not.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from synth import languages, readers, sources
from synth.config import Columns, Config, Corpus
from synth.errors import InputError
from synth.formats import File, Row
from synth.passages import clean, estimate_tokens, split
from synth.schemas import OK, PASSAGES, REJECTED, stable_id, table
from synth.stage import Source

_EXCERPT = 200
"""Characters kept of a document that is rejected whole."""
_LONGEST_ID, _LONGEST_TITLE, _LONGEST_SYNTAX = 1000, 500, 50
"""Characters. All stand in every row of their document: a longer id is none, the others are cut."""
_OF_WHOLE_FILES = Columns(title="title", syntax="syntax")
"""Text, Markdown and source files have these, whatever the columns of the corpus's tables are called."""
_NOT_GIVEN = {"", languages.UNKNOWN, "unknown", "none", "null", "n/a"}


@dataclass(frozen=True)
class Document:
    """One row of the corpus, cleaned; `reason` and `detail` when it is rejected."""

    id: str
    file: str
    number: int
    source: str
    title: str = ""
    text: str = ""
    language: str = languages.UNKNOWN
    language_given: bool = False
    syntax: str = ""
    parallel: str = ""
    reason: str | None = None
    detail: str | None = None


def stage(config: Config) -> Source:
    corpus = config.corpus
    found = readers.files(corpus.path) if corpus.path else []
    return Source(
        name="corpus",
        does="read documents and cut them into passages",
        writes=PASSAGES,
        settings={
            "corpus": corpus.model_dump(mode="json", exclude={"licence"}),
            "shard_rows": config.shard_rows,
            "files": [readers.stamp(file) for file in found],
        },
        read=partial(_shards, corpus, config.shard_rows, found),
    )


def documents(corpus: Corpus, found: Sequence[File] | None = None) -> Iterator[Document]:
    """Yield the documents of `corpus`, in order; raises InputError as `readers.rows` does. `found` are its files, if listed."""
    named = corpus.columns
    columns = [name for name in named.model_dump().values() if name]
    source = corpus.model_dump(include={"path", "dataset", "config", "split", "revision", "limit"})
    for row in readers.rows(columns=columns, whole_files=True, found=found, **source):
        yield _document(row, corpus)


def _document(row: Row, corpus: Corpus) -> Document:
    """Check and clean one row; the first thing wrong with it is its reason.

    An id says which rows are one document, and need not be unique: documents that share one both stay, go to the same
    split, and are no negatives of each other. What makes a passage one of its own is its text.
    """
    named = corpus.columns if row.number else _OF_WHOLE_FILES
    nameless = stable_id("document", "source", row.source)
    made = Document(nameless, row.file, row.number, row.source)

    def rejected(reason: str, detail: str) -> Document:
        return replace(made, text=made.text[:_EXCERPT], reason=reason, detail=f"{row.source}: {detail}")

    if row.values is None:
        return rejected("unreadable", row.error)

    try:
        identity, parallel, syntax = (_name(row.values, column) for column in (named.id, named.parallel, named.syntax))
    except ValueError as error:
        return rejected("unreadable", str(error))
    if identity == "":
        return rejected("unreadable", _no_name(row.values, named.id))
    syntax = " ".join((syntax or "").lower().split())[:_LONGEST_SYNTAX]
    made = replace(made, id=identity or nameless, parallel=parallel or "", syntax=syntax)
    title = row.values.get(named.title) if named.title else None
    if _is_name(title) and not _is_missing(title):
        made = replace(made, title=" ".join(clean(str(title)[: 4 * _LONGEST_TITLE]).split())[:_LONGEST_TITLE])

    cleaned = sources.clean_code if syntax else clean
    text = row.values.get(named.text)
    if text is None:
        return rejected("empty", f"column {named.text!r} is null")
    if not isinstance(text, str):
        return rejected("unreadable", f"column {named.text!r} is {type(text).__name__}, not a string")
    if len(text) > (most := corpus.passages.max_characters):
        made = replace(made, text=cleaned(text[:_EXCERPT]))
        return rejected("too_long", f"{len(text):,} characters, the most is {most:,}")
    if not (text := cleaned(text)):
        return rejected("empty", f"column {named.text!r} is empty")
    made = replace(made, text=text, id=identity or stable_id("document", text))

    said = row.values.get(named.language) if named.language else None
    if said is None or str(said).strip().lower() in _NOT_GIVEN:
        # What detectors say of code is chance: it is given as unknown.
        return replace(made, language_given=True) if syntax else replace(made, language=languages.detect(text))
    if (code := languages.code(str(said))) is None:
        return rejected("unreadable", f"column {named.language!r} is {said!r:.80}, not an ISO 639-1 code that is known")
    return replace(made, language=code, language_given=True)


def _name(values: Mapping[str, Any], column: str | None) -> str | None:
    """Return the name that stands in a column; null when none does. Raises ValueError on what is no name."""
    if column is None or _is_missing(value := values.get(column)):
        return None
    if not _is_name(value):
        raise ValueError(_no_name(values, column))
    if len(name := clean(str(value)[: _LONGEST_ID + 1])) > _LONGEST_ID:
        raise ValueError(f"column {column!r} is longer than {_LONGEST_ID} characters")
    return name


def _no_name(values: Mapping[str, Any], column: str | None) -> str:
    return f"column {column!r} is {values.get(column or '')!r:.80}, not a string or number"


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    """Null, or the NaN that pandas writes for it."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _shards(corpus: Corpus, shard_rows: int, found: Sequence[File]) -> Iterator[pa.Table]:
    """Yield tables of `shard_rows` passages (schemas.PASSAGES); raises InputError when not one of them is ok."""
    seen = Seen()
    fates: Counter[str] = Counter()
    examples: dict[str, str] = {}
    rows: list[Mapping[str, Any]] = []
    for document in documents(corpus, found):
        for row in _passages(document, corpus, seen):
            rows.append(row)
            fates[row["reason"] or OK] += 1
            if row["reason"]:
                examples.setdefault(row["reason"], row["detail"])
            if len(rows) == shard_rows:
                yield table(PASSAGES, rows)
                rows = []
    if not fates[OK]:
        counted = "".join(
            f"\n  {number} {reason}, first: {examples[reason]}" for reason, number in fates.items() if number
        )
        raise InputError(
            f"corpus {corpus.path or corpus.dataset}: not one passage can be used{counted or ': there are no documents'}",
            fix="mend the documents, or name the right columns under `corpus.columns`",
        )
    if rows:
        yield table(PASSAGES, rows)


def _passages(document: Document, corpus: Corpus, seen: "Seen") -> Iterator[dict[str, Any]]:
    if document.reason:
        yield _row(document, 0, 1, document.text, document.language, document.reason, document.detail)
        return
    most = corpus.passages.max_tokens
    texts = sources.split(document.text, most) if document.syntax else split(document.text, most, document.language)
    for ordinal, text in enumerate(texts):
        language = document.language if document.language_given else languages.detect(text)
        reason = detail = None
        if (tokens := estimate_tokens(text)) < corpus.passages.min_tokens:
            reason, detail = "too_short", f"{tokens} tokens, the least is {corpus.passages.min_tokens}"
        elif first := seen.before(text, document):
            reason, detail = "duplicate", f"of a passage of {first}"
        # of a passage too short to tell, the document's language is the better guess
        told = language if language != languages.UNKNOWN else document.language
        yield _row(document, ordinal, len(texts), text, told, reason, detail)


def _row(
    document: Document, ordinal: int, passages: int, text: str, language: str, reason: str | None, detail: str | None
) -> dict[str, Any]:
    return {
        # Texts of rejected rows may stand twice, so their ids are their places'.
        "id": stable_id("rejected", document.source, ordinal) if reason else stable_id("passage", text),
        "document_id": document.id,
        "source": document.source,
        "title": document.title,
        "text": text,
        "language": language,
        "syntax": document.syntax,
        "parallel": document.parallel,
        "ordinal": ordinal,
        "passages": passages,
        "tokens": estimate_tokens(text),
        "status": REJECTED if reason else OK,
        "reason": reason,
        "detail": detail,
    }


class Seen:
    """Where each passage text was first seen, by a 64-bit digest of it, case-folded and with single blanks.

    The one thing here that grows with rows: 110 bytes per distinct passage (measured at 10^6). Among 10^8 passages, a digest
    is shared by chance, and so one passage wrongly called a duplicate, with a probability of 0.03 %.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._places: dict[int, int] = {}

    def before(self, text: str, document: Document) -> str | None:
        """Return the source of the first passage like `text`, or null and remember this one."""
        folded = " ".join(text.casefold().split())
        digest = int.from_bytes(blake2b(folded.encode(), digest_size=8).digest(), "big")
        if (place := self._places.get(digest)) is not None:
            file, number = place >> 40, place & (1 << 40) - 1
            return Row(self._names[file], number, None).source
        if not self._names or self._names[-1] != document.file:  # files come one after the other
            self._names.append(document.file)
        self._places[digest] = (len(self._names) - 1) << 40 | document.number
        return None
