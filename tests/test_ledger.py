from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth import ledger, store
from tests.strategies import FILES

ROWS = pa.table({"id": ["a", "b"]})


def test_a_folder_that_is_gone_on_with_holds_what_is_kept_and_no_more(tmp_path: Path) -> None:
    entries = [store.write_part(tmp_path, n, ROWS) for n in range(3)]
    (tmp_path / ".part-00000.parquet.damaged").touch()
    ledger.reopen(tmp_path, entries[:1])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".part-00000.parquet.damaged",
        "part-00000.parquet",
        "parts.jsonl",
    ]
    assert ledger.noted(tmp_path) == {"part-00000.parquet": entries[0]}


@given(files=st.lists(FILES.filter(lambda file: file.name), min_size=1, max_size=5, unique_by=lambda file: file.name),
       at=st.integers(0, 10**6), junk=st.binary(max_size=20))  # fmt: skip
def test_a_ledger_with_junk_in_it_never_gives_what_was_not_written(
    files: list[ledger.File], at: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    whole = b"".join(ledger._line(file) + b"\n" for file in files)
    at %= len(whole)
    (folder / ledger.FILE).write_bytes(whole[:at] + junk + whole[at + len(junk) :])
    wanted = {file.name: file for file in files}
    assert all(wanted.get(name) == file for name, file in ledger.noted(folder).items())
