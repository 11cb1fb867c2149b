"""z-score: how many standard deviations the close is away from its mean."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameter, Parameters
from btc_core.windows import LONGEST_WINDOW, window_deviation, window_distance


def zscore(close: pl.Expr, *, period: int) -> pl.Expr:
    """Return the distance of the close from the mean of the last ``period``, in their population standard deviations.

    Shape: one value per candle, aligned with ``close``. Unit: standard deviations.
    Warm-up: the first ``period - 1`` values are null, and so is a flat window. Windowed: a value depends on ``period``
    candles only, to the bit; at a tie of close and mean it is 0.

    Args:
        close: Close prices in quote currency, ascending by ``time``, no nulls.
        period: Number of candles, from 2 to ``LONGEST_WINDOW``.

    Source: the standard score; the same as Skender's ``StdDev`` has it.
    """
    deviation = window_deviation(close, period=period)
    return pl.when(deviation > 0).then(window_distance(close, period=period) / deviation)


def _look_back(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": zscore(pl.col("close"), period=int(parameters["period"]))}


INDICATOR = Indicator(
    parameters={"period": Parameter(20, 2, LONGEST_WINDOW, "number of candles")},
    look_back=_look_back,
    outputs=_outputs,
)
