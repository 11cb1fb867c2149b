"""Volume-weighted average price since the start of the day."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameters


def vwap(high: pl.Expr, low: pl.Expr, close: pl.Expr, volume: pl.Expr, time: pl.Expr) -> pl.Expr:
    """Return the mean typical price weighted by volume, since the UTC day of each candle's open began.

    Shape: one value per candle. Unit: quote currency. The typical price is ``(high + low + close) / 3``.
    Warm-up: none; null while the day has no volume. Anchored: a value depends on the candles of its day and is summed
    in their order, so to the bit. A candle of a day or longer has its own typical price.

    Args:
        high: High prices, ascending by ``time``, no nulls.
        low: Low prices, aligned.
        close: Close prices, aligned.
        volume: Volume in base units, aligned.
        time: Open times, aligned.

    Source: S. Berkowitz, D. Logue, E. Noser, The Total Cost of Transactions on the NYSE (1988).
    """
    day = time.dt.truncate("1d")
    traded = volume.cum_sum().over(day)
    paid = ((high + low + close) * volume).cum_sum().over(day)
    # Three times the volume, not a third of the price: Polars divides a column by a number as it multiplies by the
    # reciprocal, but not a column of one row, and the last bit of a candle would depend on the rows beside it.
    return pl.when(traded > 0).then(paid / (3 * traded))


def _none(_parameters: Parameters) -> int:
    return 0


def _outputs(_parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": vwap(*(pl.col(name) for name in ("high", "low", "close", "volume", "time")))}


INDICATOR = Indicator(parameters={}, look_back=_none, anchor=timedelta(days=1), outputs=_outputs)
