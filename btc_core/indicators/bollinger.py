"""Bollinger bands: a simple average, and lines so many standard deviations above and below it."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.indicators.sma import sma
from btc_core.parameters import Parameter, Parameters
from btc_core.windows import LONGEST_WINDOW, window_deviation


def band(close: pl.Expr, *, period: int, deviations: float) -> pl.Expr:
    """Return the mean of the last ``period`` closes plus so many of their population standard deviations.

    Shape: one value per candle, aligned with ``close``. Unit: quote currency.
    Warm-up: the first ``period - 1`` values are null. Windowed: a value depends on ``period`` candles only, to the bit;
    mean and deviation are exact on ticks.

    Args:
        close: Close prices in quote currency, ascending by ``time``, no nulls.
        period: Number of candles, from 1 to ``LONGEST_WINDOW``.
        deviations: Negative for the lower band. Bollinger's own choice is 20 candles and 2 deviations.

    Source: J. Bollinger, Bollinger on Bollinger Bands (2001); the same as TA-Lib's ``BBANDS`` and Skender's. An
    implementation with the sample deviation has wider bands.
    """
    return sma(period=period) + deviations * window_deviation(close, period=period)


def _look_back(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    close, period, deviations = pl.col("close"), int(parameters["period"]), parameters["deviations"]
    return {
        "": sma(period=period),
        ".upper": band(close, period=period, deviations=deviations),
        ".lower": band(close, period=period, deviations=-deviations),
    }


INDICATOR = Indicator(
    parameters={
        "period": Parameter(20, 1, LONGEST_WINDOW, "number of candles"),
        "deviations": Parameter(2.0, 0.0, 100.0, "standard deviations between the average and a band"),
    },
    look_back=_look_back,
    outputs=_outputs,
)
