from pathlib import Path

import numpy as np
import pytest

from synth import index
from synth.census import PARALLEL
from synth.errors import StoreError, VerifyError
from synth.index import PassageIndex, opened, write
from synth.schemas import stable_id
from tests.rows import embedded, embeddings

OTTERS = "Otters sleep on their backs and hold each other by the paw, so that the tide does not part them at night."
EDITED = OTTERS.replace("at night", "by night")
COPPER = "Copper has been mined on Cyprus since the fourth millennium before our era, and may be named after it."
LATIN = "Latin has six cases, of which the vocative differs from the nominative in one declension only."


def test_holds_the_passages_in_the_running_with_near_copies_known(tmp_path: Path) -> None:
    shards = [
        embeddings(
            embedded([1, 0], text=OTTERS),
            embedded([], text="too short", status="rejected", reason="too_short"),
            embedded([0, 1], text=COPPER, document_id="d2"),
        ),
        embeddings(embedded([], text="x", status="rejected", reason="too_short")),
        embeddings(embedded([0.6, 0.8], text=EDITED, document_id="d3")),
    ]
    assert write(shards, tmp_path, threshold=0.8, ngram=5) == (3, 1)
    with opened(tmp_path) as passages:
        assert len(passages) == 3
        assert passages.clusters.tolist() == [0, 1, 0]
        assert passages.vectors.dtype == np.float16
        np.testing.assert_allclose(passages.vectors, [[1, 0], [0, 1], [0.6, 0.8]], atol=1e-3)
        assert passages.texts(np.array([2, 0, 2])) == [EDITED, OTTERS, EDITED]
        assert passages.take("document_id", np.array([1, 2])).tolist() == ["d2", "d3"]
        ids = [stable_id("passage", text) for text in (EDITED, OTTERS)]
        assert passages.rows_of(ids).tolist() == [2, 0]
        assert passages.rows_of([]).tolist() == []
        with pytest.raises(VerifyError, match="'nobody' is not in the index of 3 passages"):
            passages.rows_of([ids[0], "nobody"])


def test_vectors_are_an_ordinary_npy_file(tmp_path: Path) -> None:
    rows = [embedded([float(n), 1], text=f"{LATIN} {n}") for n in range(12)]
    write([embeddings(row) for row in rows], tmp_path, threshold=1, ngram=5)
    assert np.load(tmp_path / "vectors.npy").tolist() == [[n, 1] for n in range(12)]


def test_an_empty_corpus_makes_an_empty_index(tmp_path: Path) -> None:
    assert write([embeddings()], tmp_path, threshold=0.8, ngram=5) == (0, 0)
    with opened(tmp_path) as passages:
        hits = passages.search(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), 3)
        assert (len(passages), len(hits.rank), hits.rows.shape) == (0, 0, (0, 3))


def test_a_torn_index_is_named(tmp_path: Path) -> None:
    write([embeddings(embedded([1, 0]))], tmp_path, threshold=0.8, ngram=5)
    (tmp_path / "passages.arrow").write_bytes((tmp_path / "passages.arrow").read_bytes()[:99])
    with pytest.raises(StoreError, match="the index cannot be read"), opened(tmp_path):
        pass


def test_vectors_of_two_models_are_refused(tmp_path: Path) -> None:
    shards = [embeddings(embedded([1, 0])), embeddings(embedded([1, 0, 0]))]
    with pytest.raises(VerifyError, match="of 2 and of 3 dimensions"):
        write(shards, tmp_path, threshold=0.8, ngram=5)


class NoTexts:
    num_record_batches = 0


@pytest.mark.parametrize("blocks", [(16_384, 512), (7, 5), (64, 1)])
def test_search_agrees_with_brute_force(blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_PASSAGE_BLOCK", blocks[0])
    monkeypatch.setattr(index, "_QUERY_BLOCK", blocks[1])
    random = np.random.default_rng(2)
    # Small whole numbers: products are exact, and ties are everywhere.
    vectors = random.integers(-2, 3, (61, 4)).astype(np.float16)
    queries = random.integers(-2, 3, (23, 4)).astype(np.float32)
    positives = random.integers(0, 61, 23)
    clusters = np.minimum(np.arange(61), random.integers(0, 61, 61))
    clusters = clusters[clusters]
    hits = PassageIndex(
        NoTexts(), vectors, clusters, np.zeros(61, np.int32), np.zeros(0, PARALLEL), np.zeros(1, bool)
    ).search(queries, positives, top=10)
    scores = queries @ vectors.T.astype(np.float32)
    for at, positive in enumerate(positives):
        others = [row for row in range(61) if clusters[row] != clusters[positive]]
        best = sorted(others, key=lambda row: (-scores[at, row], row))[:10]
        assert hits.cosine[at] == scores[at, positive]
        assert hits.rank[at] == 1 + sum(scores[at, row] > scores[at, positive] for row in others)
        assert hits.rows[at].tolist() == best + [-1] * (10 - len(best))
        assert hits.scores[at, : len(best)].tolist() == scores[at, best].tolist()


def test_an_equal_passage_is_no_rival() -> None:
    # 700 equal vectors, whose products differ in their last bits with where they stand in the matrix.
    vector = np.random.default_rng(3).normal(size=384)
    vectors = np.tile(vector / np.linalg.norm(vector), (700, 1)).astype(np.float16)
    queries = np.random.default_rng(4).normal(size=(50, 384))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    passages = PassageIndex(
        NoTexts(), vectors, np.arange(700), np.zeros(700, np.int32), np.zeros(0, PARALLEL), np.zeros(1, bool)
    )
    hits = passages.search(queries.astype(np.float32), np.arange(50), top=1)
    assert hits.rank.tolist() == [1] * 50
