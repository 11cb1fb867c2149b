"""Relative strength index, Wilder's."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameter, Parameters
from btc_core.recursion import LONGEST_PERIOD, formula_of, wilder


def rsi(close: pl.Expr, *, period: int) -> pl.Expr:
    """Return Wilder's relative strength index: the part of the rises in all that the price moved.

    Shape: one value per candle, aligned with ``close``. Unit: points in [0, 100].
    Warm-up: the first ``period`` values are null, and so is a series that stayed flat. Recursive, with the bounded
    memory of ``btc_core.recursion``. The means of rises and falls are Wilder's, begun by plain means.

    Args:
        close: Close prices in quote currency, ascending by ``time``, no nulls.
        period: Number of changes, from 1 to ``LONGEST_PERIOD``. Wilder's own choice is 14.

    Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section VI; the same as TA-Lib's ``RSI``,
    which has 0 where the series is flat.
    """
    change = close.diff()
    rises = wilder(period).mean(change.clip(lower_bound=0))
    falls = wilder(period).mean((-change).clip(lower_bound=0))
    moved = pl.col("rises") + pl.col("falls")
    return formula_of(pl.when(moved > 0).then(100 * pl.col("rises") / moved), rises=rises, falls=falls)


def _period(parameters: Parameters) -> int:
    return int(parameters["period"])


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": rsi(pl.col("close"), period=_period(parameters))}


INDICATOR = Indicator(
    parameters={"period": Parameter(14, 1, LONGEST_PERIOD, "number of changes; the newest weighs 1 / period")},
    warm_up=_period,
    look_back=lambda parameters: 1 + wilder(_period(parameters)).look_back,
    outputs=_outputs,
)
