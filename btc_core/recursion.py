"""Recursive indicators that forget: values that do not show where a run began (laws 5 and 11, docs/adr/0015).

A recursion over all of history depends on where history begins. Here every value comes from a recursion that starts
afresh a bounded number of candles earlier: at the roundest time among ``block`` candles, the last of which lies
``memory`` candles back. That start depends on the candles before the value alone, so each value has the same bits
however the time line is cut, and neighbours share a start, so the work stays small.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

# What was forgotten weighs less than this part of a value.
FORGOTTEN = 1e-12
# The longest period of a recursive indicator; its look-back is some 46,000 candles (Wilder's smoothing).
LONGEST_PERIOD = 1_000

_MINUTE_US = 60_000_000
# Below so many starts, plain numbers are faster than arrays of them.
_FEW_STARTS = 40
_INDEX_BITS = 32

Floats: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = npt.NDArray[np.int64]
# A number of one recursion, or an array with a number for each of many: the same operators, the same bits.
Numbers: TypeAlias = Any
State: TypeAlias = tuple[Numbers, ...]
# From the steps since the start, the inputs of one candle and the state before it (None at the start) to the state
# after it. The first number of a state is the value, NaN where there is none yet.
Step: TypeAlias = Callable[[int, Sequence[Numbers], State | None], State]


def block_of(memory: int) -> int:
    """Return among how many candles a start is looked for: the largest power of two up to ``memory``, at least 1."""
    return 1 << max(memory.bit_length() - 1, 0)


def look_back_of(memory: int) -> int:
    """Return how many candles before its own a value may depend on."""
    return memory + block_of(memory) - 1


def recursive(inputs: Sequence[pl.Expr], step: Step, *, memory: int) -> pl.Expr:
    """Return the values of a recursion that starts afresh at least ``memory`` candles before each value.

    Shape: one value per candle, aligned with the inputs; null where an input is null at the start of the frame, and
    where the step gives NaN. To the bit the same however history is cut: a value depends on ``look_back_of(memory)``
    candles before its own. Where history has fewer, the recursion starts with the first candle.

    The frame must have the column ``time``, ascending. Polars has no expression for this: the steps are numpy's, over
    all starts at once.

    Args:
        inputs: What one step reads; after the first value of each, no nulls.
        step: One step of the recursion.
        memory: How many candles before a value its recursion has started at the latest.
    """

    def values(series: Sequence[pl.Series]) -> pl.Series:
        n = series[0].len()
        n_null = max(each.null_count() for each in series)
        columns = [each.slice(n_null).to_numpy() for each in series[1:]]
        found = np.full(n, np.nan)
        if n_null < n:
            found[n_null:] = _run(starts_of(series[0].slice(n_null), memory), columns, step)
        return pl.Series(found, nan_to_null=True)

    return pl.map_batches([pl.col("time"), *inputs], values, return_dtype=pl.Float64)


def formula_of(formula: pl.Expr, **values: pl.Expr) -> pl.Expr:
    """Return a formula over named values, each of which is computed once.

    Polars computes a recursion anew wherever it stands in an expression: here a name stands for it.
    """

    def evaluated(series: Sequence[pl.Series]) -> pl.Series:
        return pl.DataFrame(dict(zip(values, series, strict=True))).select(formula).to_series()

    return pl.map_batches(list(values.values()), evaluated, return_dtype=pl.Float64)


def starts_of(time: pl.Series, memory: int) -> Rows:
    """Return for each row the row that its recursion starts at: never later for an earlier row.

    The roundest time is the one divisible by the highest power of two of minutes, the latest of equals. On a grid
    without gaps it recurs every ``block_of(memory)`` candles, whatever the interval.
    """
    minutes = time.dt.epoch("us").to_numpy() // _MINUTE_US
    roundness = minutes & -minutes
    keys = pl.Series((roundness << _INDEX_BITS) | np.arange(len(minutes)))
    best = keys.rolling_max(window_size=block_of(memory), min_samples=1).shift(memory, fill_value=0)
    return best.to_numpy() & ((1 << _INDEX_BITS) - 1)


def _run(starts: Rows, columns: Sequence[Floats], step: Step) -> Floats:
    """Return each row's value, from the recursion that begins at its start."""
    first_rows = np.flatnonzero(np.diff(starts, prepend=-1))
    last_rows = np.append(first_rows[1:], len(starts)) - 1
    run = _run_each if len(first_rows) < _FEW_STARTS else _run_together
    return run(starts[first_rows], first_rows, last_rows, columns, step)


def _run_each(starts: Rows, first_rows: Rows, last_rows: Rows, columns: Sequence[Floats], step: Step) -> Floats:
    """Return the values of few recursions, one after the other: what a live run has."""
    found = np.empty(int(last_rows[-1]) + 1)
    for start, first, last in zip(starts.tolist(), first_rows.tolist(), last_rows.tolist(), strict=True):
        state: State | None = None
        values: list[float] = []
        for k, inputs in enumerate(zip(*(column[start : last + 1].tolist() for column in columns), strict=True)):
            state = step(k, inputs, state)
            values.append(state[0])
        found[first : last + 1] = values[first - start :]
    return found


def _run_together(starts: Rows, first_rows: Rows, last_rows: Rows, columns: Sequence[Floats], step: Step) -> Floats:
    """Return the values of many recursions, a step of all of them at a time: what a long history has."""
    n = len(columns[0])
    found = np.empty(n)
    state: State | None = None
    for k in range(int((last_rows - starts).max()) + 1):
        rows = starts + k
        # A recursion that is past the last candle repeats it; its value goes nowhere.
        inputs = [column.take(rows, mode="clip") for column in columns]
        state = step(k, inputs, state)
        wanted = (rows >= first_rows) & (rows <= last_rows)
        found[rows[wanted]] = state[0][wanted]
    return found


@dataclass(frozen=True, slots=True)
class Decay:
    """A mean in which each step back weighs less: ``mean += weight · (value - mean)``.

    It begins with the plain mean of the first ``period`` values, as TA-Lib's and Skender's do. Of equal values it is
    that value, to the bit.

    Attributes:
        period: How many values make the first mean, at least 1.
        weight: The weight of the newest value, in (0, 1].
    """

    period: int
    weight: float

    @property
    def memory(self) -> int:
        """How many candles back a start is at least: what lies before weighs less than ``FORGOTTEN`` together."""
        steps = math.ceil(math.log(FORGOTTEN) / math.log1p(-self.weight)) if self.weight < 1 else 0
        return self.period - 1 + steps

    @property
    def look_back(self) -> int:
        """How many values before its own a mean depends on."""
        return look_back_of(self.memory)

    def mean(self, values: pl.Expr) -> pl.Expr:
        """Return the decaying mean of values; the first ``period - 1`` are null."""
        return recursive([values], self._step, memory=self.memory)

    def _step(self, k: int, inputs: Sequence[Numbers], state: State | None) -> State:
        (value,) = inputs
        # The state after the mean: the first value, and the sum of differences from it while the mean is prepared.
        if state is None:
            mean, first, total = value, value, value * 0.0
        else:
            mean, first, total = state
            if k >= self.period:
                return mean + self.weight * (value - mean), first, total
            total = total + (value - first)
        mean = first + total / self.period if k == self.period - 1 else value * math.nan
        return mean, first, total


def exponential(period: int) -> Decay:
    """Return the exponential mean of a period: weight ``2 / (period + 1)``."""
    return Decay(period, 2 / (period + 1))


def wilder(period: int) -> Decay:
    """Return Wilder's smoothing of a period: weight ``1 / period``.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978).
    """
    return Decay(period, 1 / period)
