"""What is to be done when, in market time: begins and ends of faults, frames that are held back, timers."""

import heapq
from collections.abc import Callable
from itertools import count


class Agenda:
    """Things to do, in the order of their time; those of one instant in the order in which they were added.

    Args:
        wake: Called when something was added, so that whoever waits for the next one looks again.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._numbers = count()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def next_ms(self) -> float | None:
        """When the next thing is due, milliseconds since 1970; None where there is nothing to do."""
        return self._heap[0][0] if self._heap else None

    def add(self, at_ms: float, do: Callable[[], None]) -> None:
        """Note what is to be done, and when."""
        heapq.heappush(self._heap, (at_ms, next(self._numbers), do))
        self._wake()

    def take(self, now_ms: float) -> tuple[float, Callable[[], None]] | None:
        """Return the first thing that is due and when it was, and forget it; None where nothing is due."""
        if not self._heap or self._heap[0][0] > now_ms:
            return None
        at_ms, _, do = heapq.heappop(self._heap)
        return at_ms, do
