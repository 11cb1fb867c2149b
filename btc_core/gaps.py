"""Which minutes are missing (law 8: a gap is absent rows), and which of the absent ones are known to have no trade."""

import polars as pl

from btc_core.model.interval import Interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.resample import open_time


def gaps_between(times: pl.Series, *, within: TimeRange | None = None) -> list[TimeRange]:
    """Return the ranges of missing minutes, ascending.

    Args:
        times: Open times of 1m candles, ascending and unique.
        within: The range to be complete. Without it, from the first time to the last.

    Returns:
        Half-open ranges of whole minutes; none when nothing is missing.
    """
    if within is not None:
        times = times.filter((times >= within.start) & (times < within.end))
        edges = pl.Series("time", [within.start - MINUTE, within.end], dtype=times.dtype)
        times = pl.concat([edges[:1], times, edges[1:]])
    pairs = pl.DataFrame({"before": times[:-1], "after": times[1:]})
    holes = pairs.filter(pl.col("after") - pl.col("before") > MINUTE)
    return [TimeRange(before + MINUTE, after) for before, after in holes.iter_rows()]


def with_no_trade(candles: pl.DataFrame, no_trade: pl.Series, interval: Interval) -> pl.DataFrame:
    """Return candles with ``no_trade_minutes``: how many of a candle's minutes are absent for want of a trade.

    Args:
        candles: With ``time``, ascending.
        no_trade: Minutes that are not stored and known to be without trades, unique.
        interval: The candles' interval.
    """
    counts = no_trade.alias("time").to_frame().group_by(open_time(pl.col("time"), interval)).len("no_trade_minutes")
    return candles.join(counts, on="time", how="left", maintain_order="left").with_columns(
        pl.col("no_trade_minutes").fill_null(0).cast(pl.Int32)
    )
