"""Standard output and error, which can fail like any other file: a pager that was closed, a log on a full disk.

What a run says on its way must not end it: a message that cannot be written is lost, and the run goes on. A result that
cannot be written is an error.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from rich.console import Console

from synth.errors import StoreError


class _Forgiving(io.TextIOBase):
    """A stream that drops what cannot be written."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):  # full, gone, closed
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno() if self._stream is not None else super().fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding if self._stream is not None else "utf-8"


def messages() -> Console:
    """Return a console on stderr for what is said on the way."""
    return Console(file=cast(TextIO, _Forgiving(sys.stderr)))


def results() -> Console:
    """Return a console on stdout."""
    return _Results()


class _Results(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with 1: `standard_output` knows better


def open_all() -> None:
    """Put /dev/null where a standard stream is closed, so that no file of ours gets its number, and is written into."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """Write what is printed inside before it ends. A reader that has had enough is no error; a full disk is.

    What an encoding does not know is written as an escape.
    """
    stream: Any = sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
        if stream is not None:
            stream.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        _discard(sys.stdout)
        raise StoreError(f"standard output cannot be written: {error.strerror}", fix="send it elsewhere") from error


@contextlib.contextmanager
def standard_error() -> Iterator[None]:
    """What cannot be written to stderr in the end is lost, and does not change the exit code."""
    try:
        yield
    finally:
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
        except (OSError, ValueError):
            _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Let what is still in the buffer go nowhere, or the interpreter would try once more as it ends, and exit with 120."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
