from pathlib import Path
from typing import Any

import numpy as np

from synth import census, index
from synth.census import Group
from tests.rows import embedded, embeddings


def of(text: str, language: str, **changes: Any) -> dict[str, Any]:
    return embedded([1, 0], text=text, language=language, **changes)


def test_groups_translations_and_counts_by_shard(tmp_path: Path) -> None:
    shards = [
        embeddings(
            of("one", "en", parallel="k"), of("def f(): ...", "und", syntax="python"), of("deux", "fr", parallel="m", passages=2)
        ),
        embeddings(of("eins", "de", parallel="k"), of("out", "de", status="rejected", reason="duplicate")),
        embeddings(of("un", "fr", parallel="k"), of("two", "en", parallel="m"), of("drei", "de")),
    ]  # fmt: skip
    index.write(shards, tmp_path, threshold=0.8, ngram=5)
    found = census.read(tmp_path)
    assert found.groups == [
        Group("de", False, ()), Group("de", False, ("en", "fr")), Group("en", False, ()), Group("en", False, ("de", "fr")),
        Group("fr", False, ()), Group("fr", False, ("de", "en")), Group("und", True, ()),
    ]  # fmt: skip
    assert found.passages.tolist() == [[0, 0, 0, 1, 1, 0, 1], [0, 1, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 1, 0]]
    with index.opened(tmp_path) as opened:
        assert opened.groups.tolist() == [3, 6, 4, 1, 5, 2, 0]
        # Translations are one cluster, as near-copies are, and one document.
        assert opened.clusters.tolist() == [0, 1, 2, 0, 0, 5, 6]
        assert opened.take("document_id", np.arange(7)).tolist() == ["k", "d1", "m", "k", "k", "m", "d1"]
        key = census.key("k", 0, 1)
        assert [opened.translation(key, code) for code in ("en", "de", "fr", "es")] == ["one", "eins", "un", ""]
        # Cut into another number of passages: the first of the one need not say what the first of the other says.
        assert opened.translation(census.key("m", 0, 2), "en") == ""
        assert opened.translation(census.key("none", 0, 1), "en") == ""


def test_no_passage_at_all(tmp_path: Path) -> None:
    index.write([embeddings(of("x", "en", status="rejected", reason="empty"))], tmp_path, threshold=0.8, ngram=5)
    found = census.read(tmp_path)
    assert (found.groups, found.passages.shape) == ([], (1, 0))
    assert np.load(tmp_path / "groups.npy").tolist() == []
