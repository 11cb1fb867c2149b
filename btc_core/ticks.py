"""Prices as whole numbers, so that sums do not drift and ties are ties (law 12)."""

import polars as pl

from btc_core.errors import DataError
from btc_core.model.candle import MOST_OFF, PRICE_LIMIT, TICKS_PER_UNIT
from btc_core.model.timerange import format_time

# The closes in ticks, and their sums over all candles up to each and before it: columns that are made of the close.
_TICKS, _SUM, _BEFORE = "close.ticks", "close.ticks.sum", "close.ticks.before"
OF_CLOSE = frozenset({_TICKS, _SUM, _BEFORE})


def price_ticks(price: pl.Expr) -> pl.Expr:
    """Return prices as counts of 1e-8, exact for every price that is a multiple of it and below 3.3e7."""
    return (price * TICKS_PER_UNIT).round().cast(pl.Int64)


def is_too_high(price: pl.Expr) -> pl.Expr:
    """Return whether prices are so high that sums of their ticks could run over."""
    return price >= PRICE_LIMIT


def is_too_fine(price: pl.Expr) -> pl.Expr:
    """Return whether prices have finer steps than a tick, so that the nearest one would be another price."""
    ticks = price * TICKS_PER_UNIT
    return (ticks - ticks.round()).abs() > ticks * MOST_OFF


def with_ticks(candles: pl.DataFrame) -> pl.DataFrame:
    """Return candles with what ``ticks_of_last`` reads; as they are if they have it.

    Raises:
        DataError: If a close cannot be counted in ticks. The way in refuses such a minute; a lake may hold older ones.
    """
    if _BEFORE in candles.columns:
        return candles
    wrong = candles.filter(is_too_high(pl.col("close")) | is_too_fine(pl.col("close")))
    if wrong.height:
        raise _uncountable(wrong)
    ticks = candles.select(price_ticks(pl.col("close")).alias(_TICKS)).to_series()
    total = ticks.cum_sum()
    return candles.with_columns(ticks, total.alias(_SUM), (total - ticks).alias(_BEFORE))


def ticks_of_last(period: int) -> tuple[pl.Expr, pl.Expr]:
    """Return the close in ticks, and the sum of the last ``period`` of them; null before there are so many.

    A difference of two sums over all of history: whole numbers, modulo 2**64, so that it is exact wherever history
    begins and however far the sums have run over.
    """
    return pl.col(_TICKS), pl.col(_SUM) - pl.col(_BEFORE).shift(period - 1)


def _uncountable(wrong: pl.DataFrame) -> DataError:
    place = f"the candle of {format_time(wrong['time'][0])}" if "time" in wrong.columns else "one of its closes"
    return DataError(
        f"expected closes below {PRICE_LIMIT:,} in steps of {1 / TICKS_PER_UNIT:.8f}, found {place} at "
        f"{wrong['close'][0]}. Correct its minutes, or store the symbol in another unit (thousands)"
    )
