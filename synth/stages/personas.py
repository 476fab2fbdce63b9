"""personas: for each passage its vector, and the personas of the library that are nearest to it."""

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synth import encoders, readers, vectors
from synth.config import Config, Personas
from synth.encoders import Encoder
from synth.errors import InputError
from synth.formats import File, Row
from synth.nearest import Nearest
from synth.objects import Object
from synth.passages import clean
from synth.schemas import OK, PERSONAS
from synth.stage import Map, Stage, Workspace

SHIPPED = Path(__file__).parents[1] / "data" / "personas.jsonl"
_log = logging.getLogger(__name__)
_BLOCK = 8192
"""Personas encoded and compared at once: 33 MB of scores for a shard of 1,000 passages."""
_LONGEST = 2000
"""Characters of a persona: five of them stand in each prompt."""


@dataclass(frozen=True)
class Catalogue:
    """The open resource. A library of 200,000 at 1,024 dimensions is 410 MB of vectors and some 30 MB of text."""

    encoder: Encoder
    personas: list[str]
    vectors: npt.NDArray[np.float16]
    """[personas, d], unit length."""


def stage(config: Config, after: Stage) -> Map:
    settings = config.personas.model_dump(mode="json", exclude={"licence"})
    found = [] if config.personas.dataset else readers.files(config.personas.path or str(SHIPPED))
    return Map(
        name="personas",
        does="find who might read each passage",
        after=(after,),
        writes=PERSONAS,
        settings={
            "embedder": encoders.identity(config.embedder),
            "personas": settings | {"path": config.personas.path and "file"},  # its content counts, not its place
            "library": _digest(found),
        },
        open=partial(_open, config=config, found=found),
        gpus=config.embedder.gpus,
        fn=partial(nearest, candidates=config.personas.candidates),
    )


@contextlib.contextmanager
def _open(workspace: Workspace, *, config: Config, found: Sequence[File]) -> Iterator[Catalogue]:
    personas = library(config.personas, found)
    with vectors.opened(config.embedder, workspace) as encoder:
        starts = range(0, len(personas), _BLOCK)
        blocks = [encoder.queries(personas[at : at + _BLOCK]).astype(np.float16) for at in starts]
        yield Catalogue(encoder, personas, np.concatenate(blocks))


def nearest(passages: pa.Table, catalogue: Catalogue, *, candidates: int) -> pa.Table:
    """Give passages (schemas.PASSAGES) their `embedding` and `personas` (schemas.PERSONAS).

    Nearest by cosine, best first, equal ones in the library's order. A passage that is not ok gets empty lists.
    """
    ok = np.array([status == OK for status in passages.column("status").to_pylist()], bool)
    texts = [text for text, used in zip(passages.column("text").to_pylist(), ok, strict=True) if used]
    # Rounded before use, so that what later stages read back is what the personas were chosen by.
    found = catalogue.encoder.documents(texts).astype(np.float16)
    best = Nearest(len(texts), candidates)
    for at in range(0, len(catalogue.personas), _BLOCK):
        block = catalogue.vectors[at : at + _BLOCK].astype(np.float32)
        best.offer(found.astype(np.float32) @ block.T, at)
    chosen = [catalogue.personas[row] for row in best.rows.ravel()]
    columns = {
        "personas": _lists(chosen, ok, candidates, PERSONAS.field("personas").type),
        "embedding": _lists(found.ravel(), ok, found.shape[1], PERSONAS.field("embedding").type),
    }
    for name, column in columns.items():
        passages = passages.append_column(PERSONAS.field(name), column)
    return passages


def _lists(
    values: npt.NDArray[np.float16] | list[str], ok: npt.NDArray[np.bool_], each: int, kind: pa.DataType
) -> pa.Array:
    """Cut flat `values` into lists of `each` for the rows that are ok, and empty ones for the others."""
    offsets = np.r_[0, np.cumsum(ok * each)].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, kind.value_type), type=kind)


def library(settings: Personas, files: Sequence[File] | None = None) -> list[str]:
    """Return the personas in the library's order. Held whole: about 150 bytes each. `files` are its own, if they are listed.

    They are cleaned as documents are, and put on one line. A row that is blank, too long or cannot be read is left out,
    and said so in the log. Raises InputError when there is no such file, dataset or column, or when fewer personas are
    left than candidates are asked for.
    """
    found, left_out, first = list[str](), 0, ""
    name = settings.path or settings.dataset or str(SHIPPED)
    try:
        for row in readers.rows(
            path=None if settings.dataset else name,
            dataset=settings.dataset,
            config=settings.config,
            split=settings.split,
            revision=settings.revision,
            columns=[settings.column],
            limit=settings.limit,
            found=files,
        ):
            persona, problem = _persona(row, settings.column)
            if persona:
                found.append(persona)
            else:
                left_out, first = left_out + 1, first or f"{row.source}: {problem}"
    except InputError as error:
        raise InputError(
            f"personas: {error.what}",
            fix="mend personas.path, personas.dataset or personas.column, or see to the network and HF_TOKEN",
        ) from error
    if left_out:
        _log.warning("personas: %d rows of %s left out, the first: %s", left_out, name, first)
    if len(found) < settings.candidates:
        raise InputError(
            f"personas: {name} has {len(found)} personas in column {settings.column!r}, "
            f"and {settings.candidates} are to be chosen from"
            + (f"; of {left_out} that cannot be used the first is {first}" if left_out else ""),
            fix="give a larger library, or lower personas.candidates",
        )
    return found


def _persona(row: Row, column: str) -> tuple[str, str]:
    """Return the persona of a row, or nothing and why."""
    text = (row.values or {}).get(column)
    if row.error or not isinstance(text, str):
        return "", row.error or f"{column!r} is not a text: {text!r:.60}"
    if len(text) > _LONGEST:
        return "", f"{column!r} has {len(text):,} characters, the most is {_LONGEST:,}"
    return " ".join(clean(text).split()), f"{column!r} is not a text: {text!r:.60}"


def _digest(found: Sequence[File]) -> str:
    """Hash the content of local files, and the store's marks of objects, so that an edited library is not taken for the old one;
    empty for a dataset."""
    if not found:
        return ""
    hashed = hashlib.blake2b(digest_size=16)
    for file in found:
        try:
            if isinstance(file.path, Object):
                hashed.update(repr(readers.stamp(file)).encode())
                continue
            with file.path.open("rb") as stream:
                hashed.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise InputError(
                f"personas: {file.path}: cannot be read: {error.strerror}", fix="mend its permissions, or personas.path"
            ) from error
    return hashed.hexdigest()
