from collections import Counter
from typing import Any

from synth import schemas
from synth.engines import Request, Response, Sampling
from synth.prompts import Message
from synth.report.replay import Question
from synth.report.samples import LONGEST, Pack, Sampler, embedded, shortened
from tests.rows import mined

KINDS = [("ok", None, "retrieval", "en")] * 60 + [("ok", None, "sts", "de")] * 3
KINDS += [("rejected", "copied", "retrieval", "en")] * 30 + [("failed", "refused", "retrieval", "de")]
ROWS = [
    mined(id=f"row{at}", query=f"q{at}", task=task, query_language=language, status=status, reason=reason)
    for at, (status, reason, task, language) in enumerate(KINDS)
]


def sample(number: int, shard: int) -> list[str]:
    sampler = Sampler(number)
    for part, start in enumerate(range(0, len(ROWS), shard)):
        sampler.add(part, schemas.table(schemas.MINED, ROWS[start : start + shard]))
    return [ROWS[place.part * shard + place.row]["id"] for place in sampler.places()]


def test_a_sample_has_rows_of_every_kind_and_half_of_it_are_accepted() -> None:
    found = [KINDS[int(name[3:])] for name in sample(20, 10)]
    assert Counter((status, task) for status, _, task, _ in found) == {
        ("ok", "retrieval"): 7, ("ok", "sts"): 3, ("rejected", "retrieval"): 9, ("failed", "retrieval"): 1,
    }  # fmt: skip
    assert Counter(status == "ok" for status, *_ in found) == {True: 10, False: 10}


def test_how_rows_are_cut_into_shards_changes_no_sample() -> None:
    assert sample(20, 10) == sample(20, 7) == sample(20, 1000)
    assert sample(20, 10)[:5] == sample(5, 10)
    assert len(set(sample(1000, 10))) == len(ROWS)


def question(text: str, answer: str | None = "{}") -> Question:
    turns = (Message("system", "You play readers."), Message("user", text))
    response = None if answer is None else Response(answer, "stop", 10, 4, 2)
    return Question("retrieval/query", Request(turns, "{}", Sampling(), 1), response)


def test_a_row_as_the_page_has_it() -> None:
    pack = Pack()
    row = mined(query="how?", positive_rerank=0.91234, detail="x\x1b[2J", status="rejected", reason="copied")
    assert pack.add(row, [question("Passage: …", '{"query": "how?"}'), question("Passage: …", None)])
    said: dict[str, Any] = dict(pack.rows[0].items())
    assert said == {
        "id": row["id"], "task": "retrieval", "status": "rejected", "reason": "copied", "detail": "x\\x1b[2J",
        "query_language": "en", "positive_language": "en", "type": "acquire_knowledge", "difficulty": "high_school",
        "length": "short", "words": 5, "round": 1, "cosine": 0.6, "rank": 1, "positive_rerank": 0.9123, "model": "m",
        "document_id": "d1", "cluster": row["id"], "query": 0, "positive": 1, "passage": 1, "instruction": 2, "persona": 3,
        "title": 4, "source": 5, "negatives": [[6, 0.5, "mined", None, None]],
        "asked": [
            {"step": "retrieval/query", "turns": [["system", 7], ["user", 8]], "answer": 9, "finish": "stop", "tokens": [10, 2]},
            {"step": "retrieval/query", "turns": [["system", 7], ["user", 8]]},
        ],
    }  # fmt: skip
    assert pack.texts == [
        "how?", "Otters sleep holding hands.", "Given a question, retrieve passages that answer it", "A zookeeper.", "Otters",
        "docs.jsonl:1", "Salt is white.", "You play readers.", "Passage: …", '{"query": "how?"}',
    ]  # fmt: skip


def test_what_rows_have_in_common_stands_once() -> None:
    pack = Pack()
    for number in range(3):
        pack.add(mined(query=f"q{number}"), [question("the same long prompt")])
    assert Counter(pack.texts).most_common(1)[0][1] == 1
    assert pack.texts.count("the same long prompt") == 1
    assert [pack.texts[row["query"]] for row in pack.rows] == ["q0", "q1", "q2"]


def test_what_does_not_fit_is_left_out_and_leaves_nothing_behind() -> None:
    pack = Pack(budget=2000)
    assert pack.add(mined(query="q0"), [])
    before = list(pack.texts)
    assert not pack.add(mined(query="q1 " * 600), [])
    assert (pack.texts, len(pack.rows)) == (before, 1)
    assert pack.add(mined(query="q2"), [])
    assert pack.texts == [*before, "q2"]


def test_what_a_page_escapes_counts_as_it_is_written() -> None:
    pack = Pack(budget=100_000)
    number = 0
    while pack.add(mined(query=f"<b>{number}</b> & " * 40), []):
        number += 1
    assert 90_000 < len(embedded({"texts": pack.texts, "rows": pack.rows}).encode()) < 101_000


def test_texts_that_are_long_or_that_no_file_can_hold() -> None:
    assert shortened("a" * LONGEST) == "a" * LONGEST
    assert shortened("a" * (LONGEST + 1234)) == "a" * LONGEST + "… (1,234 characters more)"
    assert shortened("\ud800\u202e\u2028\u200f\t\n") == "\\ud800\\u202e\\u2028\u200f\t\n"
