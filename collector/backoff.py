"""How long to wait before the next try. Pure but for the dice."""

import random


class Backoff:
    """Exponential backoff with full jitter: the wait is drawn from zero to a bound that doubles with each failure.

    Full jitter keeps many clients that were dropped at once from coming back at once (M. Brooker, Exponential Backoff
    And Jitter, AWS Architecture Blog, 2015).

    Args:
        first: Bound of the first wait, in seconds.
        cap: Largest bound, in seconds.
        dice: Where the jitter comes from.
    """

    def __init__(self, *, first: float, cap: float, dice: random.Random | None = None) -> None:
        self._first = first
        self._cap = cap
        self._dice = dice or random.Random()
        self._bound = first

    def next_wait(self) -> float:
        """Return the seconds to wait now; the next bound is twice as large."""
        wait = self._dice.uniform(0, min(self._bound, self._cap))
        self._bound = min(self._bound * 2, self._cap)
        return wait

    def reset(self) -> None:
        """Start again: something worked."""
        self._bound = self._first
