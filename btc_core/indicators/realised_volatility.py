"""Realised volatility: how far the price moved over a window, whichever way."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.parameters import Parameter, Parameters
from btc_core.windows import LONGEST_WINDOW, window_sum


def realised_volatility(close: pl.Expr, *, period: int) -> pl.Expr:
    """Return the root of the sum of the last ``period`` squared logarithmic returns.

    Shape: one value per candle, aligned with ``close``. Unit: a fraction, over the window; times the root of (candles
    in a year / ``period``) it is annual. No mean is taken off: over short windows it is noise.
    Warm-up: the first ``period`` values are null. Windowed: a value depends on ``period + 1`` closes only, to the bit.

    Args:
        close: Close prices in quote currency, ascending by ``time``, above 0, no nulls.
        period: Number of returns, from 1 to ``LONGEST_WINDOW``.

    Source: T. Andersen, T. Bollerslev, F. Diebold, P. Labys, The Distribution of Realized Exchange Rate Volatility,
    Journal of the American Statistical Association 96 (2001), eq. 1.
    """
    returns = (close / close.shift(1)).log()
    return window_sum(returns * returns, period=period).sqrt()


def _look_back(parameters: Parameters) -> int:
    return int(parameters["period"])


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": realised_volatility(pl.col("close"), period=int(parameters["period"]))}


INDICATOR = Indicator(
    parameters={"period": Parameter(24, 1, LONGEST_WINDOW, "number of returns in the window")},
    look_back=_look_back,
    outputs=_outputs,
)
