"""1m candles to candles of one interval (law 4): equal to the exchange's own larger candles."""

import polars as pl

from btc_core.errors import DataError
from btc_core.model.interval import Interval
from btc_core.model.timerange import format_time

# The columns of a candle frame, with their types; `symbol` and `interval` are the table's business.
CANDLE_SCHEMA = pl.Schema(
    {
        "time": pl.Datetime("us", "UTC"),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "trades": pl.Int32(),
        "minutes": pl.Int32(),
    }
)


# Of the table's column: a number of trades above it is unknown, as one that the source does not count.
HIGHEST_COUNT = 2**31 - 1


def open_time(time: pl.Expr, interval: Interval) -> pl.Expr:
    """Return the open time of the candle that holds each instant.

    Integer arithmetic on microseconds since the epoch: the origin is spelled, no engine's default counts.
    """
    if interval.minutes is None:
        return time.dt.truncate("1mo")
    step_us = interval.minutes * 60_000_000
    origin_us = int(interval.origin.timestamp()) * 1_000_000
    micros = time.dt.epoch("us")
    return ((micros - origin_us).floordiv(step_us) * step_us + origin_us).cast(pl.Datetime("us", "UTC"))


def close_time(time: pl.Expr, interval: Interval) -> pl.Expr:
    """Return when the candle that opens at each time is known."""
    if interval.minutes is None:
        return time.dt.offset_by("1mo")
    return time + pl.duration(minutes=interval.minutes)


def resample(minutes: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    """Return the candles of ``interval`` that the given 1m candles make.

    A candle with no minute at all is absent; one with some is made of those and says how many (``minutes``). The open
    is that of the first minute with volume, as the exchange's is: leading minutes without trades carry an older price.

    Args:
        minutes: 1m candles of one symbol in ``CANDLE_SCHEMA``, ascending by ``time``, unique.
        interval: The interval to derive.

    Returns:
        Candles in ``CANDLE_SCHEMA``, ascending. Prices are copies, exact; ``volume`` is a float sum in ascending order;
        ``trades`` is null where a minute's is, and where the sum does not fit.

    Raises:
        DataError: If the volume of a candle is no finite number.
    """
    traded = pl.col("volume") > 0
    candles = (
        minutes.lazy()
        # Known to be in order, groups are slices: a third of the time, and a tenth of the memory.
        .with_columns(
            open_time(pl.col("time"), interval).set_sorted().alias("candle"),
            # Counted before they are grouped: groups with nulls in them would take eight times the memory.
            pl.col("trades").is_null().alias("uncounted"),
            pl.col("trades").fill_null(0).cast(pl.Int64),
        )
        .group_by("candle", maintain_order=True)
        .agg(
            pl.coalesce(pl.col("open").filter(traded).first(), pl.col("open").first()),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            # Minute by minute: a grouped sum() splits where the engine's batches do, so its last bit would depend on
            # the rows that stand beside the candle (law 5; tests/property/test_cut_invariance.py).
            pl.col("volume").cum_sum().last(),
            pl.col("trades").sum(),
            pl.len().cast(pl.Int32).alias("minutes"),
            pl.col("uncounted").any(),
        )
        .with_columns(pl.when(~pl.col("uncounted") & (pl.col("trades") <= HIGHEST_COUNT)).then(pl.col("trades")))
        .drop("uncounted")
        .rename({"candle": "time"})
        .sort("time")
        .collect()
        .cast(CANDLE_SCHEMA)
    )
    boundless = candles.filter(~pl.col("volume").is_finite())["time"]
    if boundless.len():
        raise DataError(
            f"the volumes of the minutes of the {interval} candle at {format_time(boundless[0])} have no finite sum: "
            "correct the minute that is wrong"
        )
    return candles


def expected_minutes(time: pl.Expr, interval: Interval) -> pl.Expr:
    """Return how many minutes the candle that opens at each time has when none is missing."""
    return (close_time(time, interval) - time).dt.total_minutes().cast(pl.Int32)
