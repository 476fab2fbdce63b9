import pytest

from synth import rerankers
from synth.errors import ModelError
from synth.rerankers.lexical import Settings


def test_the_share_of_the_query_s_words_that_the_passage_has() -> None:
    pairs = [
        ("How do otters sleep", "OTTERS do not."),
        ("otters", "Otters!"),
        ("copper", "Salt."),
        ("?", "Salt."),
        ("a", ""),
    ]
    with rerankers.opened(Settings(kind="lexical")) as reranker:
        assert reranker.scores(pairs).tolist() == [0.5, 1.0, 0.0, 0.0, 0.0]
        assert reranker.scores([]).shape == (0,)


@pytest.mark.parametrize("odd", [1.5, -0.5, float("nan")])
def test_what_is_no_probability_is_refused(odd: float) -> None:
    with pytest.raises(ModelError, match=f"'m' gave a score of {odd}, which is no probability"):
        rerankers.probabilities([0.5, odd], "m")
