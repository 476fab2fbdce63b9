"""Fuzz the parsers of what strangers write: answers of models, documents, configs, and the journal's file.

Coverage-guided, by atheris, which is no dependency of the project and wants an environment of its own that sees the
project's:

    python3.11 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris
    echo "$PWD/.venv/lib/python3.11/site-packages" > /tmp/fuzz/lib/python3.11/site-packages/synth.pth
    PYTHONPATH=. /tmp/fuzz/bin/python bench/fuzz.py answers -max_total_time=60

The first argument is a target, the others are libFuzzer's: a folder keeps the corpus, -max_len=4096 the size. It stops
at the first finding, prints it, and writes its bytes to `crash-…`; `bench/fuzz.py TARGET crash-…` runs that one again.
"""

import asyncio
import contextlib
import io
import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["synth", "yaml", "json"]):
    from synth import ask, config, formats, journal, kept, settings, yamls
    from synth.engines import Response
    from synth.errors import ConfigError, InputError, StoreError
    from synth.passages import clean, estimate_tokens, split
    from synth.tasks.retrieval import Query, role_of

SCRATCH = Path(tempfile.mkdtemp(prefix="synth-fuzz-"))
BASE = b"name: a\ncorpus: {path: b}\ntasks: {retrieval: {}}\nengine: {kind: scripted}\nembedder: {kind: hashing}\n"
ROLE = role_of("ABC", frozenset(["keywords", "summary"]), frozenset(["phd"]))


def answers(data: bytes) -> None:
    """Only an answer or `Unanswered`, and both can be written to a table."""
    text = (
        atheris.FuzzedDataProvider(data).ConsumeUnicode(len(data))
        if data[:1] > b"\x7f"
        else data.decode(errors="replace")
    )
    for model in (Query, ROLE):
        try:
            found = ask.parse(Response(text, "stop"), model)
        except ask.Unanswered as end:
            end.detail.encode()
        else:
            found.model_dump_json().encode()
            assert json.loads(ask.schema_of(model))["required"] == list(type(found).model_fields)


def documents(data: bytes) -> None:
    """Each line gives a row or says why not; a text, once clean, is cut within its budget and loses no word."""
    file = formats.File(Path("d.jsonl"), "d.jsonl", ".jsonl")
    with contextlib.suppress(InputError):  # of UTF-16
        for row in formats._json_rows(file, formats._lines(io.BytesIO(data))):
            assert (row.values is None) == bool(row.error)
            for value in (row.values or {}).values():
                if isinstance(value, str):
                    _cut(value)
    _cut(data.decode("utf-8", "surrogatepass" if data[:1] == b"s" else "replace") if _decodes(data) else "")


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data[:1] != b"s"
    return True


def _cut(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode()
    pieces = split(cleaned, 16, "en")
    assert "".join("".join(pieces).split()) == "".join(cleaned.split())
    assert all(estimate_tokens(piece) <= 16 or len(split(piece, 1)) == 1 for piece in pieces)


def configs(data: bytes) -> None:
    """Only a Config or ConfigError, from a file and from --set; what is read is plain, and can be hashed."""
    path = SCRATCH / "c.yaml"
    for whole in (data, BASE + data):
        path.write_bytes(whole)
        with contextlib.suppress(ConfigError):
            settings.fingerprint(config.load(path).model_dump(mode="json"))
    path.write_bytes(BASE)
    with contextlib.suppress(ConfigError):
        config.load(path, [data.decode(errors="replace")])
    with contextlib.suppress(ConfigError):
        json.dumps(yamls.loads(data, "d"))


def journals(data: bytes) -> None:
    """An SQLite file of any bytes opens, answers and takes answers, or is a StoreError."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        file = Path(folder) / journal.FILE
        file.parent.mkdir(parents=True)
        # Headers are hard to guess: by its first byte, an input is the file, or changes a good one.
        file.write_bytes(data[1:] if data[:1] < b"\x40" else _changed(data[1:]))
        with contextlib.suppress(StoreError), kept.opened(file) as opened:
            asyncio.run(journal.Journal(opened).get("00" * 16))
            asyncio.run(journal.Journal(opened).get("01" * 16))
            asyncio.run(journal.Journal(opened).put("02" * 16, Response("{}", "stop")))
            assert asyncio.run(journal.Journal(opened).get("02" * 16)) == Response("{}", "stop")


def _changed(data: bytes) -> bytes:
    """Overwrite bytes of a good journal: each three of `data` are a place and a value."""
    good = bytearray(_good())
    for place, value in zip(zip(data[::3], data[1::3], strict=False), data[2::3], strict=False):
        good[int.from_bytes(bytes(place), "big") % len(good)] = value
    return bytes(good)


def _good() -> bytes:
    folder = SCRATCH / "good"
    if not folder.exists():
        with kept.opened(folder / journal.FILE) as opened:
            for number in range(2):
                asyncio.run(
                    journal.Journal(opened).put(f"{number:02}" * 16, Response('{"query": "why"}', "stop", 9, 0, 3))
                )
    return (folder / journal.FILE).read_bytes()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "answers": answers,
    "documents": documents,
    "config": configs,
    "journal": journals,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: bench/fuzz.py {{{','.join(TARGETS)}}} [libFuzzer options, corpus folder]")
    logging.disable()  # the journal warns of each damaged answer
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
