"""When the minutes of a market begin, in little memory: where the first one is, and where some are missing."""

from dataclasses import dataclass

import numpy as np

from btc_core.simulator.layout import Indices

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Times:
    """Ascending instants, one step apart but for gaps; microseconds since 1970.

    Attributes:
        n: How many.
        step: From one to the next.
        starts: Which of them begin a piece without gaps, the first one among them; empty without any.
        times: When those are.
    """

    n: int
    step: int
    starts: Indices
    times: Indices

    def __len__(self) -> int:
        return self.n

    def at(self, index: Indices) -> Indices:
        """Return when the ones of these indices are; one beyond the last piece goes on in its steps."""
        piece = np.searchsorted(self.starts, index, side="right") - 1
        return self.times[piece] + (index - self.starts[piece]) * self.step

    def n_before(self, time: Indices) -> Indices:
        """Return how many are before each instant."""
        if self.n == 0:
            return np.zeros(len(time), np.int64)
        piece = np.maximum(np.searchsorted(self.times, time, side="right") - 1, 0)
        lengths = np.append(self.starts[1:], self.n) - self.starts
        steps = -(-(time - self.times[piece]) // self.step)
        return self.starts[piece] + np.clip(steps, 0, lengths[piece])


def times_of(time: Indices, *, step: int) -> Times:
    """Return ascending instants in little memory."""
    # Block by block: a difference of them all would be as large as they are.
    blocks = (np.flatnonzero(np.diff(time[i : i + _BLOCK + 1]) != step) + i + 1 for i in range(0, len(time), _BLOCK))
    starts = np.concatenate([np.zeros(min(len(time), 1), np.int64), *blocks]).astype(np.int64)
    return Times(len(time), step, starts, time[starts].astype(np.int64))
