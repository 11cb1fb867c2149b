"""The equity curve: what an account was worth at every decision and at the end."""

import numpy as np
import numpy.typing as npt
import polars as pl

from btc_core.simulator.account import Step

UTC_TIME = pl.Datetime("us", "UTC")


def equity_curve(
    steps: list[Step], *, time: npt.NDArray[np.int64], price: npt.NDArray[np.float64], capital: float, end: int
) -> pl.DataFrame:
    """Return equity, drawdown and exposure at every decision and at the end of the range.

    A point holds what happened before its time: a decision's own fill is not in it. A decision at the very end gives
    way to the end's point, in which the last position is closed.

    Args:
        steps: Cash and quantity after each fill, ascending.
        time: When the decisions were known, microseconds since 1970, ascending, at most ``end``.
        price: Close of each decided candle, which the position is valued at; quote currency.
        capital: Equity before the first fill.
        end: End of the range, microseconds since 1970.

    Returns:
        ``time``, ``equity`` (quote currency), ``drawdown`` (fraction below the highest point so far, at least 0) and
        ``exposure`` (signed position ÷ equity as held, leverage included; 0 where nothing is left).
    """
    step_time = np.array([step[0] for step in steps], dtype=np.int64)
    cash = np.array([capital, *(step[1] for step in steps)])
    quantity = np.array([0.0, *(step[2] for step in steps)])
    before_end = time < end
    held = np.searchsorted(step_time, time[before_end], side="left")
    position = quantity[held] * price[before_end]
    equity = np.append(cash[held] + position, cash[-1])
    exposure = np.zeros_like(equity)
    np.divide(np.append(position, 0.0), equity, out=exposure, where=equity > 0)
    peak = np.maximum(np.maximum.accumulate(equity), capital)
    return pl.DataFrame(
        {
            "time": np.append(time[before_end], end),
            "equity": equity,
            "drawdown": 1 - equity / peak,
            "exposure": exposure,
        }
    ).with_columns(pl.col("time").cast(UTC_TIME))
