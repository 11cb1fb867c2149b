"""Simple moving average."""

from collections.abc import Mapping

import polars as pl

from btc_core.indicator import Indicator
from btc_core.model.candle import TICKS_PER_UNIT
from btc_core.parameters import Parameter, Parameters
from btc_core.ticks import ticks_of_last


def sma(*, period: int) -> pl.Expr:
    """Return the arithmetic mean of the last ``period`` closes, this one included.

    Shape: one value per candle, of a frame with ``close`` and its ticks (``with_ticks``). Unit: quote currency.
    Warm-up: the first ``period - 1`` values are null. Windowed: a value depends on ``period`` candles only, to the bit.

    The sum is taken on whole ticks: a running total of floats drifts, one of integers cannot. Where the mean equals
    the close exactly, the value is the close, so comparing the two floats tells a tie from a difference.

    Args:
        period: Number of candles, from 1 to ``LONGEST_PERIOD``.

    Source: the plain mean; the same as TA-Lib's ``SMA``.
    """
    ticks, total = ticks_of_last(period)
    mean = total / (period * TICKS_PER_UNIT)
    return pl.when(total == ticks * period).then(pl.col("close")).otherwise(mean)


def _look_back(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    return {"": sma(period=int(parameters["period"]))}


# So many ticks of the highest exact price (see `price_ticks`) still fit into 64 bits.
LONGEST_PERIOD = 2_500

INDICATOR = Indicator(
    parameters={"period": Parameter(44, 1, LONGEST_PERIOD, "number of candles in the mean")},
    look_back=_look_back,
    outputs=_outputs,
)
