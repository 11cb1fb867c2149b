"""Average true range, Wilder's."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameter, Parameters
from btc_core.recursion import LONGEST_PERIOD, wilder


def true_range(high: pl.Expr, low: pl.Expr, close: pl.Expr) -> pl.Expr:
    """Return how far the price ranged from one close to the next; null at the first candle, which follows none.

    Shape: one value per candle. Unit: quote currency. A value depends on the candle and the close before it.
    """
    before = close.shift(1)
    # Not pl.max_horizontal, which takes what is there where one is null.
    reach_up = pl.when(high > before).then(high).otherwise(before)
    reach_down = pl.when(low < before).then(low).otherwise(before)
    return reach_up - reach_down


def atr(high: pl.Expr, low: pl.Expr, close: pl.Expr, *, period: int) -> pl.Expr:
    """Return Wilder's mean of the true range.

    Shape: one value per candle. Unit: quote currency.
    Warm-up: the first ``period`` values are null; the next is the plain mean so far. Recursive, with the bounded memory
    of ``btc_core.recursion``.

    Args:
        high: High prices, ascending by ``time``, no nulls.
        low: Low prices, aligned.
        close: Close prices, aligned.
        period: Number of ranges, from 1 to ``LONGEST_PERIOD``. Wilder's own choice is 14.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section III; the same as TA-Lib's and
    Skender's ``ATR``, seed included.
    """
    return wilder(period).mean(true_range(high, low, close))


def look_back_of_atr(period: int) -> int:
    """Return how many candles before its own an average true range depends on."""
    return 1 + wilder(period).look_back


def _period(parameters: Parameters) -> int:
    return int(parameters["period"])


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": atr(pl.col("high"), pl.col("low"), pl.col("close"), period=_period(parameters))}


INDICATOR = Indicator(
    parameters={"period": Parameter(14, 1, LONGEST_PERIOD, "number of ranges; the newest weighs 1 / period")},
    warm_up=_period,
    look_back=lambda parameters: look_back_of_atr(_period(parameters)),
    outputs=_outputs,
)
