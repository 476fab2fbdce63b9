"""Caches, and calls that are tried again."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """A cache of fixed capacity that drops the entry which was not used for the longest time."""

    def __init__(self, capacity: int) -> None:
        """Make an empty cache; the capacity must be at least one."""
        if capacity < 1:
            raise ValueError("the capacity must be at least one")
        self.capacity = capacity
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, default: Value | None = None) -> Value | None:
        """Return the value of a key and mark it as just used, or return the default."""
        if key not in self._entries:
            return default
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: Key, value: Value) -> None:
        """Store a value; when the cache is full, the oldest entry makes room."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self.capacity:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)


def backoff_delays(attempts: int, base: float = 0.5, ceiling: float = 30.0) -> list[float]:
    """Return the waits between attempts: doubled each time, up to a ceiling."""
    return [min(ceiling, base * 2**number) for number in range(max(0, attempts - 1))]


def retry(call: Callable[[], Value], attempts: int = 4, catch: tuple[type[Exception], ...] = (OSError,)) -> Value:
    """Call a function until it succeeds, waiting longer after each failure.

    Waits are jittered, so that many clients do not come back at once. The last error is raised.
    """
    if attempts < 1:
        raise ValueError("at least one attempt is needed")
    for delay in backoff_delays(attempts):
        try:
            return call()
        except catch:
            time.sleep(delay * random.uniform(0.5, 1.0))
    return call()


def remember_for(seconds: float) -> Callable[[Callable[[], Value]], Callable[[], Value]]:
    """Decorate a function without arguments so that its result is reused for some seconds."""

    def decorate(function: Callable[[], Value]) -> Callable[[], Value]:
        stored: list[tuple[float, Value]] = []

        def wrapper() -> Value:
            now = time.monotonic()
            if not stored or now - stored[0][0] >= seconds:
                stored[:] = [(now, function())]
            return stored[0][1]

        return wrapper

    return decorate
