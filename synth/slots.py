"""A bound on what is under way that may move: as many as the engine can hold now, first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Slots:
    """As asyncio.Semaphore, whose number of places is asked for each time one is taken or given back."""

    limit: Callable[[], int]
    held: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    async def acquire(self) -> None:
        if self.held < self.limit() and not self._waiting:
            self.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given a place, and told to go in the same moment
                self.release()
            raise

    def release(self) -> None:
        self.held -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.held < max(1, self.limit()):
            turn = self._waiting.popleft()
            if not turn.done():
                self.held += 1
                turn.set_result(None)
