"""Exponential moving average."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameter, Parameters
from btc_core.recursion import LONGEST_PERIOD, exponential


def ema(values: pl.Expr, *, period: int) -> pl.Expr:
    """Return the mean in which each candle back weighs ``1 - 2 / (period + 1)`` times as much.

    Shape: one value per candle, aligned with ``values``. Unit: that of ``values``.
    Warm-up: the first ``period - 1`` values are null; the next is the plain mean so far. Recursive, with the bounded
    memory of ``btc_core.recursion``.

    Args:
        values: For instance close prices, ascending by ``time``, no nulls after the first value.
        period: Number of candles, from 1 to ``LONGEST_PERIOD``.

    Source: the same as TA-Lib's and Skender's ``EMA``, seed included.
    """
    return exponential(period).mean(values)


def _period(parameters: Parameters) -> int:
    return int(parameters["period"])


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": ema(pl.col("close"), period=_period(parameters))}


INDICATOR = Indicator(
    parameters={"period": Parameter(20, 1, LONGEST_PERIOD, "number of candles; the newest weighs 2 / (period + 1)")},
    warm_up=lambda parameters: _period(parameters) - 1,
    look_back=lambda parameters: exponential(_period(parameters)).look_back,
    outputs=_outputs,
)
