import asyncio
import sqlite3
from pathlib import Path

import pytest

from synth import journal
from synth.engines import Response
from synth.errors import StoreError

KEY, OTHER = "00" * 16, "ff" * 16
ANSWER = Response('{"query": "¿qué?"}', "stop", 10, 4, 5)


def test_an_answer_outlives_its_process(tmp_path: Path) -> None:
    with journal.opened(tmp_path) as answers:
        assert answers.get(KEY) is None
        asyncio.run(answers.put(KEY, ANSWER))
        assert answers.get(KEY) == ANSWER  # what put has returned from is there for any reader
    with journal.opened(tmp_path) as answers:
        assert (answers.get(KEY), answers.get(OTHER), len(answers)) == (ANSWER, None, 1)


def test_many_at_once_share_commits_and_none_is_lost(tmp_path: Path) -> None:
    async def put_all(answers: journal.Journal) -> None:
        await asyncio.gather(*(answers.put(f"{i:032x}", Response(str(i), "stop")) for i in range(500)))

    with journal.opened(tmp_path) as answers:
        asyncio.run(put_all(answers))
        assert [answers.get(f"{i:032x}") for i in range(500)] == [Response(str(i), "stop") for i in range(500)]


def test_lone_surrogates_survive(tmp_path: Path) -> None:
    with journal.opened(tmp_path) as answers:
        asyncio.run(answers.put(KEY, Response("\ud800", "stop")))
        assert answers.get(KEY) == Response("\ud800", "stop")


def test_a_flipped_bit_costs_its_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with journal.opened(tmp_path) as answers:
        asyncio.run(answers.put(KEY, ANSWER))
        asyncio.run(answers.put(OTHER, ANSWER))
    with sqlite3.connect(tmp_path / journal.FILE) as connection:
        (body,) = connection.execute("SELECT body FROM responses").fetchone()
        connection.execute(
            "UPDATE responses SET body = ? WHERE key = ?", (body[:-3] + b"x" + body[-2:], bytes.fromhex(KEY))
        )
    with journal.opened(tmp_path) as answers:
        assert (answers.get(KEY), answers.get(OTHER)) == (None, ANSWER)
        asyncio.run(answers.put(KEY, ANSWER))
        assert answers.get(KEY) == ANSWER
    assert f"the answer {KEY} is damaged, and asked for again" in caplog.text


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "responses").mkdir()
    (tmp_path / journal.FILE).write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreError, match="not a database"), journal.opened(tmp_path):
        pass
