import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from synth import lock
from synth.errors import StoreError


def _hold(run: Path, held: "multiprocessing.synchronize.Event", over: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    with lock.owned(run):
        held.set()
        over.wait(60)


def test_a_run_has_one_owner_and_a_dead_one_is_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, over = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held, over))
    holder.start()
    assert held.wait(60)
    with pytest.raises(StoreError, match=rf"in use by pid {holder.pid} on .* since 2"), lock.owned(tmp_path):
        pass
    holder.kill()
    holder.join()
    with lock.owned(tmp_path):
        assert f"pid {multiprocessing.current_process().pid}" in (tmp_path / ".lock").read_text()


def _try(run: Path) -> None:
    try:
        with lock.owned(run):
            pass
    except StoreError as error:
        raise SystemExit(error.exit_code) from error


def test_a_process_cannot_own_a_run_twice_and_does_not_let_go_by_trying(tmp_path: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=_try, args=(tmp_path,))
    with lock.owned(tmp_path):
        with pytest.raises(StoreError, match=r"in use by this process \(pid \d+\)"), lock.owned(tmp_path / "."):
            pass
        other.start()
        other.join()
    assert other.exitcode == 5
    with lock.owned(tmp_path):
        pass


def _own_and_fork(run: Path, out: "multiprocessing.Queue[int]") -> None:
    with lock.owned(run):
        if not (child := os.fork()):
            time.sleep(60)
            os._exit(0)
        out.put(child)
        time.sleep(60)


def test_a_child_that_outlives_a_killed_owner_keeps_nobody_out(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    out: multiprocessing.Queue[int] = context.Queue()
    holder = context.Process(target=_own_and_fork, args=(tmp_path, out))
    holder.start()
    child = out.get(timeout=60)
    holder.kill()
    holder.join()
    os.kill(child, 0)  # it lives
    with lock.owned(tmp_path):
        os.kill(child, signal.SIGKILL)
