"""An error that another try may mend."""

from synth.errors import StoreError


class Passing(StoreError):
    """Too many requests, a server that is down, a connection lost, somebody else's commit. `after` is in seconds."""

    def __init__(self, what: str, *, fix: str = "", after: float | None = None) -> None:
        super().__init__(what, fix=fix)
        self.after = after
