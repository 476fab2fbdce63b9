import itertools

import numpy as np
import pytest

from synth.minhash import NearCopies, same, shingles

RIVERS = (
    "The Danube rises in the Black Forest and reaches the Black Sea after some 2,850 kilometres, through ten countries."
)
RIVERS_EDITED = RIVERS.replace("some 2,850", "about 2,850")
BREAD = "Sourdough rises slowly, because wild yeast and bacteria share the flour with each other for a day or more."


def labels(*texts: str, threshold: float = 0.7, ngram: int = 4) -> list[int]:
    near = NearCopies(threshold, ngram)
    near.add(texts)
    return near.labels().tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is a monad?", "what  is a MONAD"),
        ("¿Qué es una mónada?", "Que es una monada"),
        ("什么是单子？", "什么是单子"),
        ("ﬁne art", "fine art"),
    ],
)
def test_the_same_but_for_case_accents_space_and_final_marks(one: str, other: str) -> None:
    assert same(one) == same(other)
    assert labels(one, other, threshold=1.0) == [0, 0]


def test_marks_within_a_text_count() -> None:
    assert same("what is C++") != same("what is C")


def test_shingles() -> None:
    assert shingles("abcde", 4) == {"abcd", "bcde"}
    assert shingles("abc", 4) == {"abc"}
    assert shingles("", 4) == {""}
    assert shingles("什么是单子", 4) == {"什么", "么是", "是单", "单子"}


def test_near_copies_share_the_number_of_the_first() -> None:
    assert labels(BREAD, RIVERS, RIVERS_EDITED, "Bread", BREAD) == [0, 1, 1, 3, 0]


def test_batches_make_no_difference() -> None:
    near = NearCopies(0.7, 4)
    for text in (BREAD, RIVERS, RIVERS_EDITED):
        near.add([text])
    assert near.labels().tolist() == [0, 1, 1]


def test_no_texts() -> None:
    assert labels() == []


def test_a_stricter_threshold_keeps_them_apart() -> None:
    assert labels(RIVERS, RIVERS_EDITED, threshold=0.95) == [0, 1]


def test_the_groups_do_not_depend_on_the_order() -> None:
    # A chain of texts of which only neighbours are near, more of them than are compared within one bucket.
    words = [f"w{number:03}" for number in range(80)]
    texts = [" ".join(words[at : at + 40]) for at in range(40)] + [BREAD, RIVERS, RIVERS_EDITED, RIVERS]
    expected = groups(texts, labels(*texts))
    for seed in range(5):
        shuffled = [texts[at] for at in np.random.default_rng(seed).permutation(len(texts))]
        assert groups(shuffled, labels(*shuffled)) == expected


def groups(texts: list[str], found: list[int]) -> set[frozenset[str]]:
    by_label = itertools.groupby(sorted(zip(found, texts, strict=True)), key=lambda item: item[0])
    return {frozenset(text for _, text in group) for _, group in by_label}


def test_agrees_with_exact_jaccard_away_from_the_threshold() -> None:
    random = np.random.default_rng(1)
    vocabulary = ["".join(random.choice(list("abcdefghij"), 6)) for _ in range(400)]
    texts = []
    for _ in range(60):
        base = list(random.choice(vocabulary, 40))
        for changes in (0, 1, 20):
            copy = base.copy()
            for at in random.choice(40, changes, replace=False):
                copy[at] = str(random.choice(vocabulary))
            texts.append(" ".join(copy))
    found = labels(*texts)
    sets = [shingles(same(text), 4) for text in texts]
    for a, b in itertools.combinations(range(len(texts)), 2):
        jaccard = len(sets[a] & sets[b]) / len(sets[a] | sets[b])
        if jaccard > 0.85:
            assert found[a] == found[b]
        elif jaccard < 0.55:
            assert found[a] != found[b]
