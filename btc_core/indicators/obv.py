"""On-balance volume since the start of the month."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.model.interval import LONGEST_MONTH
from btc_core.parameters import Parameters
from btc_core.recursion import formula_of


def on_balance_volume(close: pl.Expr, volume: pl.Expr, time: pl.Expr) -> pl.Expr:
    """Return the volume of rising candles less that of falling ones, since the UTC month of each candle's open began.

    Shape: one value per candle. Unit: base units. A candle that closes where the one before did counts as 0.
    Warm-up: the first value is null, it follows no close. Anchored: a value depends on the candles of its month, and on
    the close before them; it is summed in their order, so to the bit.

    The original never begins anew: its level says nothing but where history starts, and no bounded look-back finds it.
    Within a month the two differ by a constant.

    Args:
        close: Close prices, ascending by ``time``, no nulls.
        volume: Volume in base units, aligned.
        time: Open times, aligned.

    Source: J. Granville, New Key to Stock Market Profits (1963); TA-Lib's ``OBV`` less its value at the month's start.
    """
    flow = close.diff().sign() * volume
    # Named first: within `over` a month's first candle would follow no close.
    return formula_of(pl.col("flow").cum_sum().over("month"), flow=flow, month=time.dt.truncate("1mo"))


def _one(_parameters: Parameters) -> int:
    return 1


def _outputs(_parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": on_balance_volume(pl.col("close"), pl.col("volume"), pl.col("time"))}


INDICATOR = Indicator(parameters={}, look_back=_one, anchor=LONGEST_MONTH, outputs=_outputs)
