"""What property tests draw from."""

from hypothesis import strategies as st

from synth import ledger

FILES = st.builds(
    ledger.File,
    name=st.text(max_size=20),
    rows=st.integers(0, 2**40),
    bytes=st.integers(0, 2**60),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    made_from=st.text(max_size=40),
    counts=st.dictionaries(st.text(max_size=20), st.integers(0, 2**40), max_size=4),
)
