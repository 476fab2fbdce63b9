from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synth import accounts, schemas, store
from synth.errors import VerifyError
from synth.stage import Stage

PLAN = Stage(name="plan", does="", writes=schemas.PLAN)
PUBLISH = Stage(name="publish", does="", writes=schemas.DATASET)
PIPELINE: Any = SimpleNamespace(plan=PLAN, publish=PUBLISH)


def finish(run: Path, planned: int, published: dict[str, int]) -> None:
    for stage, counts in ((PLAN, {"ok": planned}), (PUBLISH, published)):
        store.finish(run / stage.folder, stage, counts, [])


def test_all_that_was_planned_is_somewhere(tmp_path: Path) -> None:
    finish(
        tmp_path,
        1000,
        {"train": 700, "validation": 50, "rejected/copied": 200, "rejected/junk": 45, "failed/timeout": 5},
    )
    account = accounts.balanced(PIPELINE, tmp_path)
    assert account == accounts.Account(1000, 750, {"copied": 200, "junk": 45}, {"timeout": 5})
    assert str(account) == "1,000 planned = 750 written + 245 rejected + 5 failed"


@pytest.mark.parametrize(("planned", "said"), [(1001, "1 rows are missing"), (990, "10 rows are too many")])
def test_a_difference_is_an_error_of_its_own(tmp_path: Path, planned: int, said: str) -> None:
    finish(tmp_path, planned, {"train": 800, "rejected/copied": 200})
    with pytest.raises(
        VerifyError, match=f"{planned:,} planned = 800 written \\+ 200 rejected \\+ 0 failed: {said}"
    ) as caught:
        accounts.balanced(PIPELINE, tmp_path)
    assert caught.value.exit_code == 6


def test_the_difference_is_signed() -> None:
    account = accounts.Account(10, 5, {"a": 3}, {"b": 1})
    assert (account.difference, replace(account, planned=8).difference) == (1, -1)
