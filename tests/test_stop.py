import os
import signal
import subprocess
import sys
import time

import pytest

from synth.errors import Stopped
from synth.stop import Stop, duration, on_signals


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("45m", 2700), ("3.5h", 12600), ("2d", 172800), (" 1 m ", 60)]
)
def test_a_duration(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1w", "h", "1h30m", "nan", "1e9"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: give seconds, or a number with s, m, h or d"):
        duration(text)


def test_nobody_asked() -> None:
    stop = Stop()
    stop.check()
    assert (stop.requested, stop.seconds_left, stop.seconds_to_go) == (False, 20.0, None)


def test_the_first_reason_counts() -> None:
    stop = Stop(grace=5)
    stop.request("SIGTERM")
    stop.request("SIGINT")
    assert 0 < stop.seconds_left <= 5
    with pytest.raises(Stopped, match=r"stopped early \(SIGTERM\): .*\n  fix: run the same command again") as caught:
        stop.check()
    assert caught.value.exit_code == 8


def test_time_that_is_over_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    stop = Stop(max_seconds=5400)
    assert not stop.requested
    monkeypatch.setattr("time.monotonic", lambda: now + 5401)
    with pytest.raises(Stopped, match=r"stopped early \(--max-time: 5400 s are over\)"):
        stop.check()


def test_a_wall_clock_that_jumps_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop(max_seconds=5400)
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert not stop.requested


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_requests_a_stop_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stop = Stop()
    with on_signals(stop):
        os.kill(os.getpid(), number)
        assert stop.requested
    assert signal.getsignal(number) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_who_does_not_look_up_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.stop.LATE", 0.01)

    def loads_a_model_for_minutes() -> None:
        with on_signals(Stop(grace=0.01)):
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                time.sleep(0.01)

    with pytest.raises(Stopped):
        loads_a_model_for_minutes()


def test_a_second_sigint_leaves_at_once() -> None:
    code = (
        "import os, signal, time\nfrom synth.stop import Stop, on_signals\n"
        "with on_signals(Stop(grace=600)):\n"
        "    for _ in range(2): os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(600)\n"
    )
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (left.returncode, left.stdout) == (130, "")
    assert (
        left.stderr
        == "SIGINT: finishing what is in flight, 600 s at most; Ctrl-C leaves at once\n\nleft at once: run the same command again to go on\n"
    )


def test_further_signals_do_not_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.stop.LATE", 0.05)
    sent = 0

    def is_told_again_and_again() -> None:
        nonlocal sent
        with on_signals(Stop(grace=0.1)):
            while True:
                os.kill(os.getpid(), signal.SIGTERM)
                sent += 1
                time.sleep(0.02)

    with pytest.raises(Stopped):
        is_told_again_and_again()
    assert sent > 2


def test_who_swallows_the_alarm_hears_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.stop.LATE", 0.02)
    swallowed = 0

    def swallows_what_it_does_not_know() -> None:
        nonlocal swallowed
        with on_signals(Stop(grace=0.01)):
            os.kill(os.getpid(), signal.SIGTERM)
            while swallowed < 2:
                try:
                    while True:
                        time.sleep(0.01)
                except Exception:
                    swallowed += 1
            while True:
                time.sleep(0.01)

    with pytest.raises(Stopped):
        swallows_what_it_does_not_know()
    assert swallowed == 2


def test_the_first_sigint_after_the_time_is_over_is_still_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop(max_seconds=5400)
    now = time.monotonic()
    with on_signals(stop):
        monkeypatch.setattr("time.monotonic", lambda: now + 5401)
        assert stop.requested
        os.kill(os.getpid(), signal.SIGINT)  # would end this process if it counted as the second
    with pytest.raises(Stopped, match="--max-time"):
        stop.check()


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_goes_requests_a_stop_but_not_under_nohup(ignored: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        stop = Stop()
        with on_signals(stop):
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.requested is not ignored
    finally:
        signal.signal(signal.SIGHUP, before)
