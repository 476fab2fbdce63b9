import asyncio
import contextlib
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import journal, kept
from synth.engines import Response
from synth.errors import StoreError

KEY, OTHER = "00" * 16, "ff" * 16
ANSWER = Response('{"query": "¿qué?"}', "stop", 10, 4, 5)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[journal.Journal]:
    with kept.opened(folder / journal.FILE) as file:
        yield journal.Journal(file)


def got(answers: journal.Journal, key: str) -> Response | None:
    return asyncio.run(answers.get(key))


def test_an_answer_outlives_its_process(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        assert got(answers, KEY) is None
        asyncio.run(answers.put(KEY, ANSWER))
        assert got(answers, KEY) == ANSWER  # what put has returned from is there for any reader
    with opened(tmp_path) as answers:
        assert (got(answers, KEY), got(answers, OTHER), len(answers.kept)) == (ANSWER, None, 1)


def test_many_at_once_share_commits_and_none_is_lost(tmp_path: Path) -> None:
    async def put_all(answers: journal.Journal) -> None:
        await asyncio.gather(*(answers.put(f"{i:032x}", Response(str(i), "stop")) for i in range(500)))

    with opened(tmp_path) as answers:
        asyncio.run(put_all(answers))
        assert [got(answers, f"{i:032x}") for i in range(500)] == [Response(str(i), "stop") for i in range(500)]


def test_lone_surrogates_survive(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        asyncio.run(answers.put(KEY, Response("\ud800", "stop")))
        assert got(answers, KEY) == Response("\ud800", "stop")


def test_a_flipped_bit_costs_its_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as answers:
        asyncio.run(answers.put(KEY, ANSWER))
        asyncio.run(answers.put(OTHER, ANSWER))
    with sqlite3.connect(tmp_path / journal.FILE) as connection:
        (body,) = connection.execute("SELECT body FROM answers").fetchone()
        connection.execute(
            "UPDATE answers SET body = ? WHERE key = ?", (body[:-3] + b"x" + body[-2:], bytes.fromhex(KEY))
        )
    with opened(tmp_path) as answers:
        assert (got(answers, KEY), got(answers, OTHER)) == (None, ANSWER)
        asyncio.run(answers.put(KEY, ANSWER))
        assert got(answers, KEY) == ANSWER
    assert f"entry {KEY} is damaged, and made again" in caplog.text


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "responses").mkdir()
    (tmp_path / journal.FILE).write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreError, match="not a database"), opened(tmp_path):
        pass


ANSWERS = {f"{n:032x}": Response(f"answer {n} " + "x" * n, "stop", n) for n in range(1, 12)}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal as a kill leaves it: all answers in SQLite's log."""
    folder = tmp_path_factory.mktemp("killed")
    with opened(folder / "running") as answers:
        for key, answer in ANSWERS.items():
            asyncio.run(answers.put(key, answer))
        shutil.copytree(folder / "running", folder / "left")
    return folder / "left"


@given(lost=st.integers(1, 40_000))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_torn_tail_costs_no_answer_before_it(
    lost: int, killed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite's log, cut anywhere: what comes after the cut is lost, the rest is there and right."""
    folder = tmp_path_factory.mktemp("torn") / "run"
    shutil.copytree(killed, folder)
    log = folder / f"{journal.FILE}-wal"
    log.write_bytes(log.read_bytes()[:-lost])
    with opened(folder) as answers:
        found = [got(answers, key) for key in ANSWERS]
    left = [answer for answer in found if answer is not None]
    assert found == [*list(ANSWERS.values())[: len(left)], *[None] * (len(found) - len(left))]


@given(text=st.text(st.characters(), max_size=200), numbers=st.tuples(*[st.integers(0, 2**31)] * 3),
       finish=st.sampled_from(["stop", "length"]))  # fmt: skip
@settings(max_examples=20, deadline=None, derandomize=True)
def test_any_answer_comes_back_as_it_was(
    text: str,
    numbers: tuple[int, int, int],
    finish: Literal["stop", "length"],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    answer = Response(text, finish, *numbers)
    with opened(tmp_path_factory.mktemp("any")) as answers:
        asyncio.run(answers.put(KEY, answer))
        assert got(answers, KEY) == answer


def test_a_full_disk_is_said_and_what_was_saved_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        asyncio.run(answers.put(KEY, ANSWER))
        answers.kept._writer.execute("PRAGMA max_page_count = 4")  # SQLite's own way to have no more room
        with pytest.raises(StoreError, match="database or disk is full"):
            asyncio.run(answers.put(OTHER, Response("x" * 100_000, "stop")))
    with opened(tmp_path) as answers:
        assert (got(answers, KEY), got(answers, OTHER)) == (ANSWER, None)


def test_whatever_ends_a_commit_those_who_wait_hear_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with opened(tmp_path) as answers:
        monkeypatch.setattr(asyncio, "to_thread", no_thread)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            asyncio.run(answers.put(KEY, ANSWER))


def test_an_answer_of_another_version_is_asked_again(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        body = b'["text", "stop", 1, 2, 3, "what a later version adds"]'
        answers.kept._commit([(bytes.fromhex(KEY), zlib.crc32(body).to_bytes(4, "big") + body)])
        assert got(answers, KEY) is None


def test_many_are_put_and_found_at_once(tmp_path: Path) -> None:
    bodies = {number.to_bytes(16, "big"): bytes([number % 256]) * number for number in range(1200)}
    with kept.opened(tmp_path / "vectors.sqlite") as file:
        file.put_many(bodies)
        file.put_many({})
        assert file.get_many([*bodies, b"\xff" * 16]) == bodies
        assert (file.get_many([]), asyncio.run(file.get(b"\0" * 16))) == ({}, b"")
