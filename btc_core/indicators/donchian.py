"""Donchian channel: the highest high and the lowest low, and the middle between them."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameter, Parameters


def highest(high: pl.Expr, *, period: int) -> pl.Expr:
    """Return the highest of the last ``period`` highs, this one included.

    Shape: one value per candle, aligned with ``high``. Unit: quote currency, an exact copy of a price.
    Warm-up: the first ``period - 1`` values are null. Windowed: a value depends on ``period`` candles only, to the bit.

    Source: R. Donchian; the same as TA-Lib's ``MAX``. Skender's channel leaves this candle out: it is ours of the
    candle before, which is also what a breakout compares with.
    """
    return high.rolling_max(window_size=period, min_samples=period)


def lowest(low: pl.Expr, *, period: int) -> pl.Expr:
    """Return the lowest of the last ``period`` lows, this one included; as ``highest`` otherwise."""
    return low.rolling_min(window_size=period, min_samples=period)


def _look_back(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    period = int(parameters["period"])
    upper, lower = highest(pl.col("high"), period=period), lowest(pl.col("low"), period=period)
    return {"": (upper + lower) / 2, ".upper": upper, ".lower": lower}


INDICATOR = Indicator(
    parameters={"period": Parameter(20, 1, 10_000, "number of candles in the channel")},
    look_back=_look_back,
    outputs=_outputs,
)
