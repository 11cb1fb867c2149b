"""Sums over a moving window that are exact, so that neither drift nor a cut shows in them (laws 5 and 12).

A running total of floats drifts. These run over 128-bit integers: prices as ticks, other numbers in units so small that
a float is a whole number of them.
"""

import polars as pl

from btc_core.model.candle import TICKS_PER_UNIT
from btc_core.ticks import price_ticks

# A float from 2**-47 (7e-15) on is a whole number of these units, a smaller one is rounded to them; sums of 2,500
# numbers below 2**15 fit into 128 bits.
_UNITS = 2.0**100

# So many squared ticks of the highest exact price (see `price_ticks`), times the period, still fit into 128 bits.
LONGEST_WINDOW = 2_500


def window_sum(values: pl.Expr, *, period: int) -> pl.Expr:
    """Return the sum of the last ``period`` numbers, this one included, exact but for the last rounding.

    Null where one of them is. Numbers up to 32,768 either way.

    Args:
        values: Any numbers, ascending by ``time``.
        period: Number of candles, from 1 to ``LONGEST_WINDOW``.
    """
    units = (values * _UNITS).cast(pl.Int128)
    return units.rolling_sum(window_size=period, min_samples=period).cast(pl.Float64) / _UNITS


def window_deviation(price: pl.Expr, *, period: int) -> pl.Expr:
    """Return the population standard deviation of the last ``period`` prices: the root of the mean squared distance.

    Exact on ticks but for the last rounding, so that of equal prices it is 0. The first ``period - 1`` values are null.
    Unit: that of the price.
    """
    ticks = price_ticks(price).cast(pl.Int128)
    total = ticks.rolling_sum(window_size=period, min_samples=period)
    squares = (ticks * ticks).rolling_sum(window_size=period, min_samples=period)
    return (squares * period - total * total).cast(pl.Float64).sqrt() / (period * TICKS_PER_UNIT)


def window_distance(price: pl.Expr, *, period: int) -> pl.Expr:
    """Return how far a price is above the mean of the last ``period``, exact on ticks; 0 at a tie."""
    ticks = price_ticks(price)
    total = ticks.rolling_sum(window_size=period, min_samples=period)
    return (ticks * period - total) / (period * TICKS_PER_UNIT)
