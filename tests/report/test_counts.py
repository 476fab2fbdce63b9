import pyarrow as pa

from synth import schemas
from synth.report.counts import COLUMNS, Counts, Part
from tests.rows import mined

ROWS = [
    mined(query="how do otters sleep", cosine=0.61, rank=1, asked=2, prompt_tokens=100, cached_tokens=40, output_tokens=9,
          positive_rerank=0.93, negative_reranks=[0.05]),
    mined(query="otters", cosine=0.3, rank=4, type="keywords", query_language="de", negatives=["a", "b"], negative_ids=["", "p"],
          negative_scores=[0.2, 0.45], negative_kinds=["written", "mined"], negative_similarities=[1.0, None],
          negative_reranks=[None, None], asked=2),
    mined(query="what", cosine=0.1, rank=120, status="rejected", reason="low_cosine", detail="0.100 < 0.450"),
    mined(query="how do otters sleep?", cosine=0.6, rank=2, status="rejected", reason="not_relevant", positive_rerank=0.02),
    mined(query="", cosine=None, rank=None, type="", difficulty="", status="failed", reason="refused"),
    mined(query="a text", task="sts", cosine=1.0, rank=None, length="", status="rejected", reason="copied"),
]  # fmt: skip


def table(*rows: dict[str, object]) -> pa.Table:
    return schemas.table(schemas.MINED, rows).select(list(COLUMNS))


def test_each_row_is_counted_once_by_what_became_of_it() -> None:
    counts = Counts()
    counts.add(table(*ROWS[:3]))
    counts.add(table(*ROWS[3:]))
    assert counts.fates == {
        ("retrieval", "en", "accepted"): 1, ("retrieval", "de", "accepted"): 1, ("retrieval", "en", "low_cosine"): 1,
        ("retrieval", "en", "not_relevant"): 1, ("retrieval", "en", "refused"): 1, ("sts", "en", "copied"): 1,
    }  # fmt: skip
    assert counts.parts == [Part(3, 2, 4, 100, 40, 9), Part(3, 0, 0, 0, 0, 0)]
    assert (counts.tasks, counts.languages) == (["retrieval", "sts"], ["de", "en"])
    assert (counts.total(), counts.total(fate="accepted"), counts.total(task="sts"), counts.total(language="en")) == (
        6,
        2,
        1,
        5,
    )


def test_values_that_are_empty_count_for_no_share() -> None:
    counts = Counts()
    counts.add(table(*ROWS))
    assert counts.facet("type", "retrieval") == {"acquire_knowledge": (3, 1), "keywords": (1, 1)}
    assert counts.facet("language", "retrieval") == {"en": (4, 1), "de": (1, 1)}
    assert counts.facet("length", "sts") == {}


def test_cosines_ranks_lengths_and_negatives() -> None:
    counts = Counts()
    counts.add(table(*ROWS))
    assert counts.cosines == {
        ("retrieval", "accepted", 30): 1, ("retrieval", "accepted", 15): 1, ("retrieval", "low_cosine", 5): 1,
        ("retrieval", "other", 30): 1, ("sts", "other", 49): 1,
    }  # fmt: skip
    assert counts.ranks == {
        ("retrieval", "accepted", 0): 1, ("retrieval", "accepted", 3): 1, ("retrieval", "low_cosine", 8): 1,
        ("retrieval", "other", 1): 1,
    }  # fmt: skip
    assert counts.characters == {"query": {19: 1, 6: 1}, "positive": {27: 2}}
    assert counts.relevances == {("retrieval", "accepted", 46): 1, ("retrieval", "not_relevant", 1): 1}
    assert counts.negatives == {1: 1, 2: 1}
    assert counts.negative_relevances == {2: 1}
    assert counts.negative_cosines == {("mined", 25): 1, ("written", 10): 1, ("mined", 22): 1}
    assert counts.margins == {5: 1, -8: 1}  # 0.61 - 0.5 and 0.3 - 0.45


def test_groups_of_near_equal_queries() -> None:
    counts = Counts()
    kept = ROWS[0]["id"]
    clusters = [("1", kept), ("2", kept), ("3", kept), ("4", "published-before"), ("5", "another"), ("6", "another")]
    counts.group(pa.table({"id": [one for one, _ in clusters], "cluster": [of for _, of in clusters]}))
    counts.add(table(*ROWS))
    assert counts.sizes == {4: 1, 3: 1, 2: 1}
    assert counts.groups == {kept: 3, "another": 2, "published-before": 1}
    assert counts.kept == {kept: "how do otters sleep"}


def test_no_rows() -> None:
    counts = Counts()
    counts.group(pa.table({"id": pa.array([], pa.string()), "cluster": pa.array([], pa.string())}))
    counts.add(table())
    assert (counts.fates, counts.cosines, counts.negatives, counts.margins, counts.groups) == ({}, {}, {}, {}, {})
    assert counts.parts == [Part(0, 0, 0, 0, 0, 0)]
