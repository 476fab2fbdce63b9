"""One owner of a run at a time.

The lock is the system's own (POSIX record locks): it lets go when its holder dies, however it dies, so a lock whose
owner is dead is no lock. Unlike flock's, it is not inherited by the processes that an engine starts: one of those that
outlives a killed run does not keep the next one out.
"""

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from synth.errors import StoreError
from synth.files import as_store_error

FILE = ".lock"
_held: set[Path] = set()
"""Runs that this process holds: the system's lock is between processes only."""


@contextlib.contextmanager
def owned(run: Path) -> Iterator[None]:
    """Hold the run's lock, or raise StoreError that says who does: process, host, and since when."""
    place = run.resolve()
    if place in _held:  # asked first: to close any descriptor of the file would let go of the lock
        raise _in_use(run, f"this process (pid {os.getpid()})")
    with as_store_error(f"{run}: cannot be made or written"):
        run.mkdir(parents=True, exist_ok=True)
        stream = (run / FILE).open("a+", encoding="utf-8")
    with stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise StoreError(
                    f"{run}: its file system cannot lock files: {error.strerror}",
                    fix="set `outputs` to a folder on a local disk, or mount the share with locking",
                ) from error
            stream.seek(0)
            raise _in_use(run, stream.read().strip() or "another process") from error
        _held.add(place)
        try:
            with as_store_error(f"{run / FILE}: cannot be written"):
                stream.seek(0)
                stream.truncate()
                stream.write(
                    f"pid {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S %z')}"
                )
                stream.flush()
            yield
        finally:
            _held.discard(place)


def _in_use(run: Path, holder: str) -> StoreError:
    return StoreError(f"{run}: in use by {holder}", fix="wait for it, stop it, or give this run another `name`")
