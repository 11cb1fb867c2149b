"""Average directional index, Wilder's: how much the price moves one way, whichever that is."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.indicators.atr import true_range
from btc_core.parameters import Parameter, Parameters
from btc_core.recursion import LONGEST_PERIOD, formula_of, wilder


def directional_movement(high: pl.Expr, low: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return how far a candle reached beyond the one before, upwards and downwards: the larger one, the other is 0.

    Shape: one value per candle; null at the first. Unit: quote currency. Both are 0 where they are equal or inside.
    """
    up, down = high.diff(), -low.diff()
    plus = pl.when((up > down) & (up > 0)).then(up).when(up.is_not_null()).then(0.0)
    minus = pl.when((down > up) & (down > 0)).then(down).when(down.is_not_null()).then(0.0)
    return plus, minus


def directional_index(movement: pl.Expr, ranges: pl.Expr, *, period: int) -> pl.Expr:
    """Return the part that movement one way has in the true range, both as Wilder's means.

    Shape: one value per candle. Unit: points in [0, 100]; 0 where the price did not move at all.
    Warm-up: the first ``period`` values are null. Recursive, with the bounded memory of ``btc_core.recursion``.
    """
    moved, ranged = pl.col("moved"), pl.col("ranged")
    index = pl.when(ranged > 0).then(100 * moved / ranged).when(ranged.is_not_null()).then(0.0)
    return formula_of(index, moved=wilder(period).mean(movement), ranged=wilder(period).mean(ranges))


def adx(plus: pl.Expr, minus: pl.Expr, *, period: int) -> pl.Expr:
    """Return Wilder's mean of the directional movement index, which compares the two directional indices.

    Shape: one value per candle. Unit: points in [0, 100]; a candle at which neither index is above 0 counts as 0.
    Warm-up: ``period - 1`` values more than the indices have. Recursive, with the bounded memory of
    ``btc_core.recursion``.

    Args:
        plus: The directional index upwards, from ``directional_index``.
        minus: The one downwards.
        period: Number of candles, from 1 to ``LONGEST_PERIOD``. Wilder's own choice is 14.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section IV. Seeded by plain means of
    ``period`` values, as Skender's; TA-Lib's ``ADX`` seeds with one value fewer, which is forgotten after some hundred
    candles.
    """
    both, apart = pl.col("plus") + pl.col("minus"), (pl.col("plus") - pl.col("minus")).abs()
    index = pl.when(both > 0).then(100 * apart / both).when(both.is_not_null()).then(0.0)
    return wilder(period).mean(formula_of(index, plus=plus, minus=minus))


def _period(parameters: Parameters) -> int:
    return int(parameters["period"])


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    high, low, close, period = pl.col("high"), pl.col("low"), pl.col("close"), _period(parameters)
    up, down = directional_movement(high, low)
    ranges = true_range(high, low, close)
    plus = directional_index(up, ranges, period=period)
    minus = directional_index(down, ranges, period=period)
    return {"": adx(plus, minus, period=period), ".plus": plus, ".minus": minus}


INDICATOR = Indicator(
    parameters={"period": Parameter(14, 1, LONGEST_PERIOD, "number of candles; the newest weighs 1 / period")},
    warm_up=lambda parameters: 2 * _period(parameters) - 1,
    look_back=lambda parameters: 1 + 2 * wilder(_period(parameters)).look_back,
    outputs=_outputs,
)
