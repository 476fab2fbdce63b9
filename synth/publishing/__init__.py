"""Publishing: a verified dataset to the Hub, a bucket or a folder, and nothing there that it does not know is lost.

The way is always the same: look at what is there, compare, send what differs. So the same command goes on where a killed
one stopped, says "nothing_new" when all is there, and after an error that may pass begins with another look.
"""

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol

from synth import runs
from synth.config import Config
from synth.errors import RefusedError, StoreError
from synth.lock import owned
from synth.publishing import contents, licences
from synth.publishing.changes import Changes, There, compare
from synth.publishing.contents import Contents
from synth.publishing.passing import Passing

_WAITS = (1.0, 4.0, 15.0, 30.0)
"""Seconds before another try, on top of what the clients of Hub and stores try themselves."""


class Destination(Protocol):
    """Where a dataset goes. Both methods may raise Passing; then all begins anew with a look."""

    name: str

    def look(self, wanted: Contents) -> There: ...

    def send(self, wanted: Contents, changes: Changes, there: There) -> str:
        """Bring it about, and return where to find it."""


@dataclass(frozen=True)
class Outcome:
    """What was, or would be, done."""

    to: str
    state: str
    """`done`, `nothing_new` or `dry_run`."""
    rows: int
    dataset: str
    """Digest of card, shards and figures: the same for the same dataset."""
    add: tuple[str, ...]
    change: tuple[str, ...]
    remove: tuple[str, ...]
    unchanged: int
    make: tuple[str, ...]
    """Repository, branch and tag that are not there."""
    at: str = ""
    """Address of what was published."""


def publish(
    config: Config,
    destination: Destination,
    *,
    accepted: Collection[str] = (),
    replace: bool = False,
    dry_run: bool = False,
    waits: Collection[float] = _WAITS,
) -> Outcome:
    """Publish the dataset of a finished run. `accepted` names whose licence a person has looked at; `replace` gives up
    what is there and not known.

    Raises VerifyError where the run does not add up, RefusedError where a person must decide, and StoreError where the
    destination cannot be reached or does not let us in.
    """
    licences.check(config, accepted)
    with owned(config.folder):  # no run may change the files between the check and the upload
        runs.verify(config)
        wanted = contents.of(config)
        if not wanted.rows:
            raise RefusedError(
                f"{config.folder}: the dataset has no rows",
                fix="`synth show CONFIG --status rejected` shows what became of them",
            )
        once = partial(_once, wanted, destination, replace=replace, dry_run=dry_run)
        for wait in waits:
            try:
                return once()
            except Passing as error:
                time.sleep(wait if error.after is None else min(error.after, 300.0))
        try:
            return once()
        except Passing as error:
            raise StoreError(f"{error.what} (tried {len(waits) + 1} times)", fix=error.fix) from error


def _once(wanted: Contents, destination: Destination, *, replace: bool, dry_run: bool) -> Outcome:
    there = destination.look(wanted)
    changes = compare(wanted, there)
    if changes.strangers and not replace:
        raise _refused(destination.name, changes)
    found = Outcome(
        to=destination.name,
        state="dry_run",
        rows=wanted.rows,
        dataset=wanted.digest,
        add=changes.add,
        change=changes.change,
        remove=changes.remove,
        unchanged=len(changes.same),
        make=there.makes,
    )
    if not (changes or there.makes):
        return Outcome(**{**asdict(found), "state": "nothing_new"})
    if dry_run:
        return found
    return Outcome(**{**asdict(found), "state": "done", "at": destination.send(wanted, changes, there)})


def _refused(name: str, changes: Changes) -> RefusedError:
    shown = [f"{path}: {why}" for path, why in list(changes.strangers.items())[:10]]
    more = len(changes.strangers) - len(shown)
    return RefusedError(
        "\n  ".join([f"{name} has what this run did not publish:", *shown, *([f"and {more} more"] if more else [])]),
        fix="publish elsewhere; or see what `--replace --dry-run` would change and remove, and use --replace",
    )
