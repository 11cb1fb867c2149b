"""Stochastic oscillator: where the close stands between the lowest low and the highest high."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.indicators.donchian import highest, lowest
from btc_core.parameters import Parameter, Parameters
from btc_core.windows import LONGEST_WINDOW, window_sum


def position_in_range(high: pl.Expr, low: pl.Expr, close: pl.Expr, *, period: int) -> pl.Expr:
    """Return where the close stands in the range of the last ``period`` candles: Lane's raw %K.

    Shape: one value per candle. Unit: points in [0, 100].
    Warm-up: the first ``period - 1`` values are null, and so is a range without height (TA-Lib has 0 there). Windowed:
    a value depends on ``period`` candles only, to the bit.

    Args:
        high: High prices, ascending by ``time``, no nulls.
        low: Low prices, aligned.
        close: Close prices, aligned.
        period: Number of candles, from 1 to ``LONGEST_WINDOW``.
    """
    top, bottom = highest(high, period=period), lowest(low, period=period)
    return pl.when(top > bottom).then(100 * (close - bottom) / (top - bottom))


def smoothed(values: pl.Expr, *, period: int) -> pl.Expr:
    """Return the plain mean of the last ``period`` values, exact but for the last rounding; null where one is."""
    return window_sum(values, period=period) / period


def _periods(parameters: Parameters) -> tuple[int, int, int]:
    return int(parameters["period"]), int(parameters["smooth"]), int(parameters["signal"])


def _look_back(parameters: Parameters) -> int:
    return sum(_periods(parameters)) - 3


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    period, smooth, signal = _periods(parameters)
    raw = position_in_range(pl.col("high"), pl.col("low"), pl.col("close"), period=period)
    k = smoothed(raw, period=smooth)
    return {"": k, ".signal": smoothed(k, period=signal)}


INDICATOR = Indicator(
    parameters={
        "period": Parameter(14, 1, LONGEST_WINDOW, "number of candles in the range"),
        "smooth": Parameter(3, 1, LONGEST_WINDOW, "candles in the mean that makes %K of the raw position; 1 is fast"),
        "signal": Parameter(3, 1, LONGEST_WINDOW, "candles in the mean of %K that is %D"),
    },
    look_back=_look_back,
    outputs=_outputs,
)
