"""corpus: documents in, passages out. Read, cleaned, cut, their language told, exact duplicates marked.

Every row of the input is accounted for: a document gives its passages, or one rejected row that says why not.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from synth import languages, readers
from synth.config import Config, Corpus
from synth.errors import InputError
from synth.formats import Row
from synth.passages import clean, estimate_tokens, split
from synth.schemas import OK, PASSAGES, REJECTED, stable_id, table
from synth.stage import Source

_EXCERPT = 200
"""Characters kept of a document that is rejected whole."""
_LONGEST_ID, _LONGEST_TITLE = 1000, 500
"""Characters. Both stand in every row of their document: a longer id is none, a longer title is cut."""
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
        read=partial(_shards, corpus, config.shard_rows),
    )


def documents(corpus: Corpus) -> Iterator[Document]:
    """Yield the documents of `corpus`, in order; raises InputError as `readers.rows` does."""
    named = corpus.columns
    columns = [name for name in (named.text, named.id, named.title, named.language) if name]
    source = corpus.model_dump(include={"path", "dataset", "config", "split", "revision", "limit"})
    for row in readers.rows(columns=columns, **source):
        yield _document(row, corpus)


def _document(row: Row, corpus: Corpus) -> Document:
    """Check and clean one row; the first thing wrong with it is its reason.

    An id says which rows are one document, and need not be unique: documents that share one both stay, go to the same
    split, and are no negatives of each other. What makes a passage one of its own is its text.
    """
    named = corpus.columns
    nameless = stable_id("document", "source", row.source)
    made = Document(nameless, row.file, row.number, row.source)

    def rejected(reason: str, detail: str) -> Document:
        return replace(made, text=made.text[:_EXCERPT], reason=reason, detail=f"{row.source}: {detail}")

    if row.values is None:
        return rejected("unreadable", row.error)

    if named.id and not _is_missing(own := row.values.get(named.id)):
        if not _is_name(own) or not (identity := clean(str(own)[: _LONGEST_ID + 1])):
            return rejected("unreadable", f"column {named.id!r} is {own!r:.80}, not a string or number")
        if len(identity) > _LONGEST_ID:
            return rejected("unreadable", f"column {named.id!r} is longer than {_LONGEST_ID} characters")
        made = replace(made, id=identity)
    title = row.values.get(named.title) if named.title else row.title
    if _is_name(title) and not _is_missing(title):
        made = replace(made, title=" ".join(clean(str(title)[: 4 * _LONGEST_TITLE]).split())[:_LONGEST_TITLE])

    text = row.values.get(named.text)
    if text is None:
        return rejected("empty", f"column {named.text!r} is null")
    if not isinstance(text, str):
        return rejected("unreadable", f"column {named.text!r} is {type(text).__name__}, not a string")
    if len(text) > (most := corpus.passages.max_characters):
        made = replace(made, text=clean(text[:_EXCERPT]))
        return rejected("too_long", f"{len(text):,} characters, the most is {most:,}")
    if not (text := clean(text)):
        return rejected("empty", f"column {named.text!r} is empty")
    made = replace(made, text=text, id=made.id if made.id != nameless else stable_id("document", text))

    said = row.values.get(named.language) if named.language else None
    if said is None or str(said).strip().lower() in _NOT_GIVEN:
        return replace(made, language=languages.detect(text))
    if (code := languages.code(str(said))) is None:
        return rejected("unreadable", f"column {named.language!r} is {said!r:.80}, not an ISO 639-1 code that is known")
    return replace(made, language=code, language_given=True)


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    """Null, or the NaN that pandas writes for it."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _shards(corpus: Corpus, shard_rows: int) -> Iterator[pa.Table]:
    """Yield tables of `shard_rows` passages (schemas.PASSAGES); raises InputError when not one of them is ok."""
    seen = Seen()
    fates: Counter[str] = Counter()
    examples: dict[str, str] = {}
    rows: list[Mapping[str, Any]] = []
    for document in documents(corpus):
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
        yield _row(document, 0, document.text, document.language, document.reason, document.detail)
        return
    for ordinal, text in enumerate(split(document.text, corpus.passages.max_tokens, document.language)):
        language = document.language if document.language_given else languages.detect(text)
        reason = detail = None
        if (tokens := estimate_tokens(text)) < corpus.passages.min_tokens:
            reason, detail = "too_short", f"{tokens} tokens, the least is {corpus.passages.min_tokens}"
        elif first := seen.before(text, document):
            reason, detail = "duplicate", f"of a passage of {first}"
        # of a passage too short to tell, the document's language is the better guess
        yield _row(
            document, ordinal, text, language if language != languages.UNKNOWN else document.language, reason, detail
        )


def _row(
    document: Document, ordinal: int, text: str, language: str, reason: str | None, detail: str | None
) -> dict[str, Any]:
    return {
        # Texts of rejected rows may stand twice, so their ids are their places'.
        "id": stable_id("rejected", document.source, ordinal) if reason else stable_id("passage", text),
        "document_id": document.id,
        "source": document.source,
        "title": document.title,
        "text": text,
        "language": language,
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
