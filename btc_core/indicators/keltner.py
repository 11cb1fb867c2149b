"""Keltner channel: an exponential average, and lines so many average true ranges above and below it."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.indicators.atr import atr, look_back_of_atr
from btc_core.indicators.ema import ema
from btc_core.parameters import Parameter, Parameters
from btc_core.recursion import LONGEST_PERIOD, exponential


def channel(middle: pl.Expr, ranges: pl.Expr, *, multiple: float) -> tuple[pl.Expr, pl.Expr]:
    """Return the lines ``multiple`` average true ranges above and below a middle.

    Shape: one value per candle. Unit: quote currency. Warm-up: that of the two.

    Source: L. B. Raschke's variant of C. Keltner's (1960), around the exponential average of closes; the same as
    Skender's and StockCharts'. Keltner's own has plain means of typical prices and of ranges.
    """
    return middle + multiple * ranges, middle - multiple * ranges


def _periods(parameters: Parameters) -> tuple[int, int]:
    return int(parameters["period"]), int(parameters["atr_period"])


def _warm_up(parameters: Parameters) -> int:
    period, atr_period = _periods(parameters)
    return max(period - 1, atr_period)


def _look_back(parameters: Parameters) -> int:
    period, atr_period = _periods(parameters)
    return max(exponential(period).look_back, look_back_of_atr(atr_period))


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    period, atr_period = _periods(parameters)
    middle = ema(pl.col("close"), period=period)
    ranges = atr(pl.col("high"), pl.col("low"), pl.col("close"), period=atr_period)
    upper, lower = channel(middle, ranges, multiple=parameters["multiple"])
    return {"": middle, ".upper": upper, ".lower": lower}


INDICATOR = Indicator(
    parameters={
        "period": Parameter(20, 1, LONGEST_PERIOD, "candles in the exponential average"),
        "atr_period": Parameter(10, 1, LONGEST_PERIOD, "ranges in the average true range"),
        "multiple": Parameter(2.0, 0.0, 100.0, "average true ranges between the average and a line"),
    },
    warm_up=_warm_up,
    look_back=_look_back,
    outputs=_outputs,
)
