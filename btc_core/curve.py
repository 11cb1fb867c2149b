"""An equity curve over time, for reports: its drawdowns, its months, its Sharpe ratio as it went.

Single figures are in ``btc_core.metrics``.
"""

import math

import numpy as np
import polars as pl

from btc_core.metrics import DAYS_PER_YEAR, ROUNDING, Floats, Times

UTC_TIME = pl.Datetime("us", "UTC")
DRAWDOWN_SCHEMA = pl.Schema(
    {"start": UTC_TIME, "valley": UTC_TIME, "end": UTC_TIME, "depth": pl.Float64(), "days": pl.Float64()}
)


def drawdowns(time: Times, equity: Floats, *, top: int = 5) -> pl.DataFrame:
    """Return the deepest drawdowns, deepest first.

    Args:
        time: Microseconds since 1970, ascending.
        equity: One value for each time, quote currency.
        top: How many at most.

    Returns:
        ``start`` (the peak), ``valley``, ``end`` (the first time at or above the peak again; null: not yet), ``depth``
        (fraction below the peak, above 0) and ``days`` from the start to the end, or to the last time.
    """
    is_peak = equity >= np.maximum.accumulate(equity)
    under = np.flatnonzero(~is_peak)
    if len(under) == 0:
        return pl.DataFrame(schema=DRAWDOWN_SCHEMA)
    first = under[np.append(True, np.diff(under) > 1)]
    last = under[np.append(np.diff(under) > 1, True)]
    valley = np.array([a + int(equity[a : b + 1].argmin()) for a, b in zip(first, last, strict=True)])
    recovered, until = last + 1 < len(time), np.minimum(last + 1, len(time) - 1)
    frame = pl.DataFrame(
        {
            "start": time[first - 1],
            "valley": time[valley],
            "end": pl.Series(time[until]).set(pl.Series(~recovered), None),
            "depth": 1 - equity[valley] / equity[first - 1],
            "days": (time[until] - time[first - 1]) / 86_400_000_000,
        }
    )
    return frame.cast(DRAWDOWN_SCHEMA).sort("depth", "start", descending=[True, False]).head(top)


def monthly_returns(time: Times, equity: Floats) -> pl.DataFrame:
    """Return what each calendar month of UTC earned, the first and the last as far as the curve goes.

    A month's last value is the last one at or before its end, its first that of the month before: the months make up
    the whole.

    Args:
        time: Microseconds since 1970, ascending; the first is the start, with the capital.
        equity: One value for each time, quote currency.

    Returns:
        ``month`` (its first day) and ``return`` (a fraction; null once nothing is left), ascending, no month left out.
    """
    curve = pl.DataFrame({"time": time, "equity": equity}).with_columns(pl.col("time").cast(UTC_TIME))
    first, last = curve["time"][0], curve["time"][-1]
    start = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    starts = pl.datetime_range(start, last, "1mo", closed="left", eager=True).alias("month")
    ends = starts.to_frame().with_columns(time=pl.col("month").dt.offset_by("1mo").cast(UTC_TIME))
    known = ends.join_asof(curve, on="time")
    before = pl.col("equity").shift(1, fill_value=float(equity[0]))
    earned = pl.when(before > 0).then(pl.col("equity") / before - 1)
    return known.select(pl.col("month").dt.date(), earned.alias("return"))


def rolling_sharpe(returns: Floats, *, window: int = 90, periods_per_year: float = DAYS_PER_YEAR) -> list[float | None]:
    """Return the Sharpe ratio (``btc_core.metrics.sharpe``) of the last ``window`` returns at each return.

    Shape: one value per return. Warm-up: the first ``window − 1`` are None, and so is a window without deviation.

    Args:
        returns: Per period, usually daily.
        window: How many, at least 2.
        periods_per_year: What annualises.

    Raises:
        ValueError: If the window is shorter than 2.
    """
    if window < 2:
        raise ValueError(f"window: expected at least 2 returns, found {window}")
    if len(returns) < window:
        return [None] * len(returns)
    windows = np.lib.stride_tricks.sliding_window_view(returns, window)
    mean, deviation = windows.mean(axis=1), windows.std(axis=1, ddof=1)
    ratios = [
        None if spread < ROUNDING else float(middle / spread * math.sqrt(periods_per_year))
        for middle, spread in zip(mean, deviation, strict=True)
    ]
    return [None] * (window - 1) + ratios
