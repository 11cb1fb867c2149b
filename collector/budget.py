"""What requests may cost, and when they must rest. Pure: ``now`` is steady market seconds from an arbitrary start."""

from collections import deque
from collections.abc import Iterable

import msgspec

WINDOW_SECONDS = 60.0


class Charge(msgspec.Struct):
    """What one request costs. The weight is what it may cost until the answer tells what it did."""

    at: float
    weight: int
    is_urgent: bool


class Budget:
    """What was spent of the exchange's limit in the last minute.

    Args:
        ceiling: Most that may be spent in any minute.
        reserve: The part of it that only urgent requests may use, so that history never delays what is live.
    """

    def __init__(self, ceiling: int, *, reserve: int = 0) -> None:
        self._ceiling = ceiling
        self._reserve = reserve
        self._charges: deque[Charge] = deque()

    def spent(self, now: float) -> int:
        """Return the weight of the last minute's requests."""
        while self._charges and self._charges[0].at <= now - WINDOW_SECONDS:
            self._charges.popleft()
        return sum(charge.weight for charge in self._charges)

    def free_at(self, weight: int, now: float, *, is_urgent: bool) -> float:
        """Return when a request may be made: now, or when enough of the past is a minute old.

        One that is heavier than all that is allowed may be made when nothing else counts.
        """
        self.spent(now)
        free = _free_at(self._charges, weight - self._ceiling, now)
        if is_urgent:
            return free
        # Only what is not urgent counts against its share: else steady urgent requests would shut it out for ever.
        others = [charge for charge in self._charges if not charge.is_urgent]
        return max(free, _free_at(others, weight - (self._ceiling - self._reserve), now))

    def spend(self, weight: int, now: float, *, is_urgent: bool) -> Charge:
        """Note a request; the charge may be corrected when its answer is there."""
        charge = Charge(now, weight, is_urgent)
        self._charges.append(charge)
        return charge


def _free_at(charges: Iterable[Charge], excess: int, now: float) -> float:
    charges = list(charges)
    excess += sum(charge.weight for charge in charges)
    for charge in charges:
        if excess <= 0:
            break
        excess -= charge.weight
        now = charge.at + WINDOW_SECONDS
    return now


class Pause:
    """The rest that the exchange's limit forces on all requests of this address.

    Args:
        first: Its length in seconds after a request was refused.
        longest: Bound of the length, which doubles while requests go on being refused.
    """

    def __init__(self, *, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._length = first
        self.end = float("-inf")

    def refuse(self, asked: float, now: float) -> None:
        """Note that a request was refused. One that was made before the last pause ended is part of its cause."""
        if asked >= self.end:
            self.end = now + self._length
            self._length = min(2 * self._length, self._longest)

    def succeed(self, asked: float) -> None:
        """Note that a request was answered."""
        if asked >= self.end:
            self._length = self._first
