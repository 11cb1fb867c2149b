"""Moving average convergence and divergence: the distance of two exponential averages, and its own average."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.indicators.ema import ema
from btc_core.parameters import Parameter, Parameters
from btc_core.recursion import LONGEST_PERIOD, exponential


def macd(close: pl.Expr, *, fast: int, slow: int) -> pl.Expr:
    """Return the exponential average of ``fast`` candles less that of ``slow``.

    Shape: one value per candle, aligned with ``close``. Unit: quote currency.
    Warm-up: the first ``slow - 1`` values are null. Recursive, with the bounded memory of ``btc_core.recursion``.
    Each average begins with the plain mean of its own first candles, as Skender's does; TA-Lib begins the fast one
    later, which is forgotten after some hundred candles.

    Args:
        close: Close prices in quote currency, ascending by ``time``, no nulls.
        fast: Candles in the quicker average, from 1 to ``LONGEST_PERIOD``.
        slow: Candles in the slower one. Appel's own choice is 12 and 26.

    Source: G. Appel, The Moving Average Convergence-Divergence Method (1979).
    """
    return ema(close, period=fast) - ema(close, period=slow)


def _periods(parameters: Parameters) -> tuple[int, int, int]:
    return int(parameters["fast"]), int(parameters["slow"]), int(parameters["signal"])


def _warm_up(parameters: Parameters) -> int:
    fast, slow, signal = _periods(parameters)
    return max(fast, slow) - 1 + signal - 1


def _look_back(parameters: Parameters) -> int:
    fast, slow, signal = (exponential(period).look_back for period in _periods(parameters))
    return max(fast, slow) + signal


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    fast, slow, n_signal = _periods(parameters)
    line = macd(pl.col("close"), fast=fast, slow=slow)
    signal = ema(line, period=n_signal)
    return {"": line, ".signal": signal, ".histogram": line - signal}


INDICATOR = Indicator(
    parameters={
        "fast": Parameter(12, 1, LONGEST_PERIOD, "candles in the quicker average"),
        "slow": Parameter(26, 1, LONGEST_PERIOD, "candles in the slower average"),
        "signal": Parameter(9, 1, LONGEST_PERIOD, "candles in the average of the distance"),
    },
    warm_up=_warm_up,
    look_back=_look_back,
    outputs=_outputs,
)
