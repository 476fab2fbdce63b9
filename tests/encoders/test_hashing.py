import numpy as np
import pytest

from synth import encoders
from synth.encoders.hashing import Settings


@pytest.fixture
def encoder():
    with encoders.opened(Settings(kind="hashing", dimensions=256)) as opened:
        yield opened


def test_vectors_are_of_unit_length_and_the_same_for_the_same_text(encoder) -> None:
    texts = ["how do otters sleep", "ослепительно", "", "!?", "什么是单子"]
    vectors = encoder.documents(texts)
    assert (vectors.shape, vectors.dtype) == ((5, 256), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (encoder.queries(texts[::-1])[::-1] == vectors).all()


def test_shared_words_are_nearer_than_none(encoder) -> None:
    query, near, far = encoder.documents(["otters sleep", "where an otter sleeps", "the price of copper"])
    assert query @ near > query @ far + 0.2


def test_no_texts(encoder) -> None:
    assert encoder.queries([]).shape == (0, 256)


def test_its_vectors_are_the_same_on_every_machine() -> None:
    with encoders.opened(Settings(kind="hashing", dimensions=8, ngram=4)) as encoder:
        unit = 3**-0.5  # the word and its n-grams: some share a dimension, and two of those cancel out
        np.testing.assert_allclose(encoder.documents(["otter"]), [[-unit, unit, 0, 0, -unit, 0, 0, 0]], atol=1e-6)


def test_where_it_runs_is_not_part_of_what_it_is() -> None:
    from synth.encoders.sentence_transformers import Settings as Real

    one = Real(kind="sentence_transformers", model="m", device="cpu", batch_size=8)
    other = Real(kind="sentence_transformers", model="m", device="cuda", batch_size=256)
    assert encoders.identity(one) == encoders.identity(other)
    assert encoders.identity(one) != encoders.identity(
        Real(kind="sentence_transformers", model="m", query_prompt="q: ")
    )
