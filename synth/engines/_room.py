"""How many requests an engine should have: all that it computes, and so many waiting that a place is never empty."""

from dataclasses import dataclass

RESERVE = 0.5
"""Waiting requests per running one. A place that is given back is taken in the same step, so a few would do; but answers
come in bursts, and each has to be on disk before its row asks again. More than that only moves a row's second question
further from its first, behind the back of the prefix cache."""
_LEAST = 8


@dataclass
class Room:
    """`places` is what the engine can compute at once by its settings; by its memory it may be less."""

    places: int

    def __post_init__(self) -> None:
        self.capacity = self._of(self.places)

    def look(self, running: int, waiting: int) -> None:
        """Take in what the engine says of itself: requests that it computes, and that wait for a place or for memory."""
        if waiting > 0:
            self.capacity = min(self._of(self.places), self._of(running))
        elif running:  # none waits: it could take more, unless there is no more to do
            self.capacity = min(self._of(self.places), max(self.capacity, self._of(running)))

    @staticmethod
    def _of(running: int) -> int:
        return running + max(_LEAST, int(RESERVE * running))
