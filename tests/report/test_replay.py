import json
from pathlib import Path
from typing import Any

import pytest

from synth import preview as previews
from synth import runs
from synth.config import Config
from synth.progress import shown
from synth.report.replay import Question, questions
from tests.report import toy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return toy.ran(tmp_path_factory.mktemp("run"))


def rows(run: Config, **choice: Any) -> list[dict[str, Any]]:
    return runs.rows(run, "negatives", number=10_000, **choice)


def keys(asked: list[Question], run: Config) -> list[str]:
    return [question.request.key(run.engine.identity) for question in asked]  # type: ignore[attr-defined]


def test_every_row_has_just_the_requests_that_it_remembers(run: Config) -> None:
    chosen = rows(run)
    found = questions(run, run.folder, chosen)
    assert [keys(asked, run) for asked in found] == [row["requests"] for row in chosen]
    assert {len(asked) for asked in found} == {1, 2}


def test_answers_are_those_of_the_model(run: Config) -> None:
    chosen = [row for row in rows(run, status="ok") if row["task"] == "retrieval"]
    for row, asked in zip(chosen, questions(run, run.folder, chosen), strict=True):
        assert [question.step for question in asked] == ["retrieval/configure", "retrieval/query"]
        assert asked[1].response is not None
        assert json.loads(asked[1].response.text)["query"] == row["query"]
        assert row["passage"] in asked[1].request.messages[-1].content


def test_what_the_engine_did_not_answer_has_its_prompt(run: Config) -> None:
    failed = rows(run, status="failed")
    found = questions(run, run.folder, failed)
    assert len(found) >= 2
    assert all(asked[-1].response is None and asked[-1].request.messages for asked in found)
    assert {asked[-1].step for asked in found} <= {"retrieval/configure", "retrieval/query", "sts/pair", "sts/phrase"}


def test_prompts_are_those_that_a_preview_shows(tmp_path: Path) -> None:
    run = toy.ran(tmp_path, targets=[], tasks={"retrieval": {"rows_per_passage": 1}})
    with shown() as display:
        (previewed,) = previews.preview(run, 1, display)
    (row,) = rows(run, id=previewed.row["id"])
    (asked,) = questions(run, run.folder, [row])
    assert [(one.step, one.request, one.response) for one in asked] == [
        (one.step, one.request, one.response) for one in previewed.asked
    ]


def test_a_journal_that_is_gone_has_no_prompts_and_is_not_made(tmp_path: Path, run: Config) -> None:
    chosen = rows(run)[:2]
    assert questions(run, tmp_path, chosen) == [[], []]
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_that_would_not_be_the_same_is_not_shown(run: Config) -> None:
    (row,) = rows(run, status="ok")[:1]
    assert questions(run, run.folder, [{**row, "personas": [], "passage": "another", "words": 99}]) == [[]]
