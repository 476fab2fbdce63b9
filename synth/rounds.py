"""The rounds of a run with targets: what each one orders, as a file in the run's folder.

    rounds-<fingerprint>.json   one order per round after the first: [{"round": 2, "rows": {"retrieval/de/phd": 120, …}}, …]

The fingerprint is the one of the stage that counts what was accepted: whatever shapes a row or its fate is in it, so that
an order never rests on counts of other settings. The first order follows from the config alone. A later one is made from
those counts, and written down before any of it is planned: a run that was killed goes on with the same order.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.config import Config
from synth.errors import StoreError
from synth.files import as_store_error, write_atomically
from synth.targets import spread

PILOT_SHARE, PILOT_ROWS, PILOT_REQUESTS, PILOT_TOKENS = 0.1, 1000, 5, 5000
"""With a budget, the first round is this share of the targets, no more rows than these, and no more than the budget would
pay for if a row took so many requests and tokens: what it does take is not known before. A cell that gets none is judged by
its task's others."""


def first(config: Config) -> Mapping[str, int]:
    """Return the first order: each cell's rows, as if all were accepted, so that none is written in vain; with a budget, a
    part of them."""
    wanted, budget = [cell.rows for cell in config.cells], config.budget
    rows = sum(wanted)
    if budget.is_limited:
        limits = [max(rows * PILOT_SHARE, len(wanted)), PILOT_ROWS]
        limits += [budget.requests / PILOT_REQUESTS] if budget.requests else []
        limits += [budget.tokens / PILOT_TOKENS] if budget.tokens else []
        rows = max(1, int(min(rows, *limits)))
    return dict(zip((cell.name for cell in config.cells), spread(rows, wanted), strict=True))


def read(run: Path, config: Config, fingerprint: str) -> Sequence[str]:
    """Return the orders so far, one JSON text per round; the only one of a run without targets is empty."""
    if not config.targets:
        return [""]
    path = _path(run, fingerprint)
    try:
        later = json.loads(path.read_bytes()) if path.exists() else []
        return [text(order["round"], order["rows"]) for order in [{"round": 1, "rows": first(config)}, *later]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}", fix="delete it: the rounds begin anew") from error


def rows(order: str) -> Mapping[str, int]:
    """Return the rows that an order asks for, by name of the cell."""
    found: Mapping[str, int] = json.loads(order)["rows"]
    return found


def add(run: Path, config: Config, fingerprint: str, rows: Mapping[str, int]) -> None:
    """Write the next order down."""
    before = [json.loads(order) for order in read(run, config, fingerprint)]
    orders = [*before[1:], {"round": len(before) + 1, "rows": dict(rows)}]
    path = _path(run, fingerprint)
    with as_store_error(f"{path}: cannot be written"):
        write_atomically(path, (json.dumps(orders, indent=1) + "\n").encode())


def text(number: int, rows: Mapping[str, int]) -> str:
    """Write an order as `read` returns it."""
    return json.dumps({"round": number, "rows": {name: int(rows[name]) for name in rows if rows[name]}}, sort_keys=True)


def _path(run: Path, fingerprint: str) -> Path:
    return run / f"rounds-{fingerprint}.json"
