"""The rounds of a run with targets: what each one orders, as a file in the run's folder.

    rounds-<fingerprint>.json   one order per round after the first: {"orders": [{"retrieval/de/phd": 120, …}, …], "checksum": …}

The fingerprint is the one of the stage that counts what was accepted: whatever shapes a row or its fate is in it, so that
an order never rests on counts of other settings. The first order follows from the config alone. A later one is made from
those counts, and written down before any of it is planned: a run that was killed goes on with the same order.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from synth import steering
from synth.config import Config
from synth.errors import StoreError
from synth.files import as_store_error, write_atomically
from synth.store import digest, set_aside
from synth.targets import spread


class Damaged(StoreError):
    """A file of orders is not what was written."""


def first(config: Config) -> Mapping[str, int]:
    """Return the first order: each cell's rows, as if all were accepted, so that none is written in vain; with a budget, a
    part of them."""
    wanted = [cell.rows for cell in config.cells]
    rows = steering.pilot(sum(wanted), len(wanted), config.budget)
    return dict(zip((cell.name for cell in config.cells), spread(rows, wanted), strict=True))


def read(run: Path, config: Config, fingerprint: str) -> Sequence[str]:
    """Return the orders so far, one JSON text per round; the only one of a run without targets is empty.

    Raises Damaged when the file is not what was written."""
    if not config.targets:
        return [""]
    path = _path(run, fingerprint)
    try:
        raw = json.loads(path.read_bytes())
        if raw["checksum"] != _checksum(raw["orders"]):
            raise ValueError("its checksum is not that of its content")
        orders = raw["orders"]
    except FileNotFoundError:
        orders = []
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}", fix="mend its permissions") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(
            f"{path}: damaged: its content is not what was written: {error}",
            fix="run `synth run`: it sets the file aside",
        ) from error
    return [text(1, first(config)), *(text(number, rows) for number, rows in enumerate(orders, 2))]


def check(run: Path, config: Config, fingerprint: str) -> None:
    """Set a damaged file of orders aside, and raise StoreError: the next run begins the rounds anew, and comes to the same."""
    try:
        read(run, config, fingerprint)
    except Damaged as error:
        raise set_aside(_path(run, fingerprint)) from error


def rows(order: str) -> Mapping[str, int]:
    """Return the rows that an order asks for, by name of the cell."""
    found: Mapping[str, int] = json.loads(order)["rows"]
    return found


def add(run: Path, config: Config, fingerprint: str, rows_of: Mapping[str, int]) -> None:
    """Write the next order down."""
    orders = [*map(rows, read(run, config, fingerprint)[1:]), dict(rows_of)]
    path = _path(run, fingerprint)
    with as_store_error(f"{path}: cannot be written"):
        raw = {"orders": orders, "checksum": _checksum(orders)}
        write_atomically(path, (json.dumps(raw, indent=1) + "\n").encode())


def _checksum(orders: Sequence[Mapping[str, int]]) -> str:
    return digest(json.dumps(orders, sort_keys=True))


def text(number: int, rows: Mapping[str, int]) -> str:
    """Write an order as `read` returns it."""
    return json.dumps({"round": number, "rows": {name: int(rows[name]) for name in rows if rows[name]}}, sort_keys=True)


def _path(run: Path, fingerprint: str) -> Path:
    return run / f"rounds-{fingerprint}.json"
