"""Rate of change: how far the close is from where it was some candles ago."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameter, Parameters


def rate_of_change(close: pl.Expr, *, period: int) -> pl.Expr:
    """Return the close over that of ``period`` candles before, less 1.

    Shape: one value per candle, aligned with ``close``. Unit: a fraction; 0.01 is one percent.
    Warm-up: the first ``period`` values are null. Windowed: a value depends on two closes only, to the bit.

    Args:
        close: Close prices in quote currency, ascending by ``time``, above 0, no nulls.
        period: Number of candles, at least 1.

    Source: the plain return; the same as TA-Lib's ``ROCP``. Its ``ROC``, Skender's and StockCharts' are in percent.
    """
    return close / close.shift(period) - 1


def _look_back(parameters: Parameters) -> int:
    return int(parameters["period"])


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": rate_of_change(pl.col("close"), period=int(parameters["period"]))}


INDICATOR = Indicator(
    parameters={"period": Parameter(12, 1, 10_000, "number of candles between the two closes")},
    look_back=_look_back,
    outputs=_outputs,
)
