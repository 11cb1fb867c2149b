"""Prices as whole numbers, so that sums do not drift and ties are ties (law 12)."""

import polars as pl

# The finest price step of the exchanges in use is 1e-8. Below 2**25 (3.3e7) a float and its product with 1e8 are both
# off by less than a quarter of a tick, so that rounding leads back to the tick.
TICKS_PER_UNIT = 100_000_000

# The closes in ticks, and their sums over all candles up to each and before it: columns that are made of the close.
_TICKS, _SUM, _BEFORE = "close.ticks", "close.ticks.sum", "close.ticks.before"
OF_CLOSE = frozenset({_TICKS, _SUM, _BEFORE})


def price_ticks(price: pl.Expr) -> pl.Expr:
    """Return prices as counts of 1e-8, exact for every price that is a multiple of it and below 3.3e7."""
    return (price * TICKS_PER_UNIT).round().cast(pl.Int64)


def with_ticks(candles: pl.DataFrame) -> pl.DataFrame:
    """Return candles with what ``ticks_of_last`` reads; as they are if they have it."""
    if _BEFORE in candles.columns:
        return candles
    ticks = candles.select(price_ticks(pl.col("close")).alias(_TICKS)).to_series()
    total = ticks.cum_sum()
    return candles.with_columns(ticks, total.alias(_SUM), (total - ticks).alias(_BEFORE))


def ticks_of_last(period: int) -> tuple[pl.Expr, pl.Expr]:
    """Return the close in ticks, and the sum of the last ``period`` of them; null before there are so many.

    A difference of two sums over all of history: whole numbers, modulo 2**64, so that it is exact wherever history
    begins and however far the sums have run over.
    """
    return pl.col(_TICKS), pl.col(_SUM) - pl.col(_BEFORE).shift(period - 1)
