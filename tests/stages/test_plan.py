from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth import census, config, earlier, rounds, schemas
from synth.settings import parse
from synth.stages import plan
from tests.rows import embedded


def settings(tasks: dict[str, Any] | None = None, **changes: Any) -> config.Config:
    return parse(
        config.Config,
        {
            "name": "t",
            "seed": 3,
            "corpus": {"path": str(Path(__file__))},
            "tasks": tasks or {"retrieval": {}},
            "engine": {"kind": "scripted"},
            "embedder": {"kind": "hashing"},
            **changes,
        },
        where="",
    )


def passage(name: str, **changes: Any) -> dict[str, Any]:
    return {**embedded([1], text=f"text of {name}", language="de", document_id=f"d-{name}"), "id": name, **changes}


def planned(rows: list[dict[str, Any]], made: config.Config, round_: int = 1, *orders: dict[str, int]) -> pa.Table:
    counts = census.Counts()
    running = [row for row in rows if row["status"] == "ok"]
    counts.add(running)
    found, groups, pairs = counts.result()
    by_id = dict(zip([row["id"] for row in running], groups.tolist(), strict=True))
    texts = {
        (int(key), running[row]["language"]): running[row]["text"] for key, row in pairs.tolist()
    }  # what PassageIndex.translation looks up
    given = (
        [rounds.text(at, order) for at, order in enumerate([rounds.first(made), *orders], 1)] if made.targets else [""]
    )
    planner = plan.planner(
        made,
        found,
        given,
        lambda ids: [by_id[one] for one in ids],
        lambda key, code: texts.get((key, code), ""),
        earlier.planned([]),
    )
    return plan.plan(schemas.table(schemas.PERSONAS, rows), planner, round_, 0)


def test_each_passage_in_the_running_becomes_the_rows_of_its_task() -> None:
    controls = {
        "rows_per_passage": 2, "lengths": {"medium": {"words": [8, 8]}}, "types": {"summary": 1}, "difficulties": {"phd": 1}
    }  # fmt: skip
    rows = planned(
        [passage("a"), passage("b", status="rejected", reason="duplicate")], settings({"retrieval": controls})
    ).to_pylist()
    common = {
        "task": "retrieval", "round": 1, "cell": "", "passage_id": "a", "document_id": "d-a", "source": "docs.jsonl:1",
        "title": "Otters", "passage": "text of a", "passage_language": "de", "syntax": "", "parallel": "", "translation": "",
        "query_language": "de", "types": ["summary"], "difficulties": ["phd"], "length": "medium", "words": 8, "clarity": "",
        "personas": ["A zookeeper."],
    }  # fmt: skip
    assert rows == [
        {"id": schemas.stable_id("row", 3, "retrieval", "a", n), "ordinal": n, "seed": row["seed"], **common}
        for n, row in enumerate(rows)
    ]
    assert len({row["seed"] for row in rows}) == len(rows) == 2


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    made = settings()
    alone = planned([passage("b")], made).to_pylist()
    assert planned([passage("a"), passage("b")], made).to_pylist()[2:] == alone


def test_query_languages_are_drawn_by_weight() -> None:
    made = settings({"retrieval": {"rows_per_passage": 300, "query_languages": {"en": 3, "fr": 1, "es": 0}}})
    drawn = planned([passage("a")], made).column("query_language").to_pylist()
    assert set(drawn) == {"en", "fr"}
    assert 0.65 < drawn.count("en") / 300 < 0.85


def test_a_share_may_be_cross_lingual() -> None:
    made = settings(
        {"retrieval": {"rows_per_passage": 300, "query_languages": {"en": 1, "de": 9}, "cross_lingual": 0.2}}
    )
    drawn = Counter(planned([passage("a")], made).column("query_language").to_pylist())
    assert drawn.keys() == {"en", "de"}
    assert 0.14 < drawn["en"] / 300 < 0.26


def test_the_model_may_choose_among_all_among_some_or_not_at_all() -> None:
    for choose, number in ((None, 5), (2, 2), (1, 1)):
        made = settings(
            {
                "retrieval": {
                    "rows_per_passage": 60,
                    "choose": choose,
                    "types": {"keywords": 8, "summary": 1, "background": 2, "yes_or_no": 2, "acquire_knowledge": 1},
                }
            }
        )
        offered = planned([passage("a")], made).column("types").to_pylist()
        assert {len(types) for types in offered} == {number}
        assert all(len(set(types)) == number for types in offered)
    assert sum(types == ["keywords"] for types in offered) > 25


def test_controls_of_one_language() -> None:
    controls = {
        "rows_per_passage": 40,
        "types": {"keywords": 1, "summary": 1},
        "by_language": {
            "de": {"types": {"riddle": {"definition": "a riddle"}}, "lengths": {"short": {"words": [2, 2]}}}
        },
    }
    rows = planned([passage("a"), passage("b", language="en")], settings({"retrieval": controls})).to_pylist()
    assert {(row["query_language"], *sorted(row["types"])) for row in rows} == {
        ("de", "riddle"), ("en", "keywords", "summary")
    }  # fmt: skip
    assert {row["words"] for row in rows if row["query_language"] == "de"} == {2}
    assert {row["length"] for row in rows if row["query_language"] == "en"} == {"short", "medium", "long"}


def test_a_share_of_the_passages_and_code_for_those_who_read_it() -> None:
    made = settings({"retrieval": {"rows_per_passage": 0.25}, "code": {"rows_per_passage": 1.5}})
    rows = planned(
        [
            *(passage(f"p{n}") for n in range(400)),
            *(passage(f"c{n}", syntax="python", language="und") for n in range(100)),
        ],
        made,
    ).to_pylist()
    found = Counter((row["task"], row["syntax"]) for row in rows)
    assert found.keys() == {("retrieval", ""), ("code", "python")}
    assert 70 < found["retrieval", ""] < 130
    assert 130 < found["code", "python"] < 170


def test_translations_of_the_corpus_are_used() -> None:
    made = settings({"bitext": {}}, corpus={"path": "docs", "columns": {"parallel": "key"}})
    rows = planned(
        [
            passage("a", parallel="k"),
            passage("b", parallel="k", language="fr"),
            passage("c"),
            passage("d", parallel="k", passages=2),
        ],
        made,
    ).to_pylist()
    assert [(row["passage_id"], row["query_language"], row["translation"]) for row in rows] == [
        ("a", "fr", "text of b"), ("b", "de", "text of a"),
    ]  # fmt: skip


TARGETS = [
    {"task": "retrieval", "language": "de", "type": {"keywords": 2, "summary": 1}, "difficulty": "phd", "rows": 6}
]


def test_a_target_prescribes_what_it_names_and_rounds_use_other_slots() -> None:
    made = settings({"retrieval": {"rows_per_passage": 2}}, targets=TARGETS)
    passages = [passage(f"p{n}") for n in range(4)] + [passage("e", language="en")]
    first = planned(passages, made).to_pylist()
    assert Counter((row["cell"], *row["types"], *row["difficulties"], row["query_language"]) for row in first) == {
        ("retrieval/de/keywords/phd", "keywords", "phd", "de"): 4, ("retrieval/de/summary/phd", "summary", "phd", "de"): 2
    }  # fmt: skip
    second = planned(passages, made, 2, {"retrieval/de/summary/phd": 5}).to_pylist()
    assert [(row["round"], row["cell"]) for row in second] == [(2, "retrieval/de/summary/phd")] * 2
    assert len({row["id"] for row in first + second}) == 8
    assert {row["passage_id"] for row in first + second} == {"p0", "p1", "p2", "p3"}
    assert Counter(row["ordinal"] for row in first + second) == {0: 4, 1: 4}
