"""Findings about the data: opened when seen, closed by themselves when healed."""

from datetime import timedelta

import polars as pl

from btc_core.gaps import gaps_between
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_store.frames import Frames

_FINDING_SCHEMA = pl.Schema(
    {"start_time": pl.Datetime("us", "UTC"), "end_time": pl.Datetime("us", "UTC"), "details": pl.String()}
)


def find_gaps(frames: Frames, symbol: str, within: TimeRange) -> list[TimeRange]:
    """Return the missing minutes that touch a range, whole, also where they reach over its ends.

    Only what lies between stored minutes is a gap: before the first and after the last there is nothing to miss yet.
    Nor is there anything to miss in a minute that is known to be without trades.
    """
    before, after = frames.read("minute_neighbours", symbol, within.start, within.end).row(0)
    start = within.start if before is None else before
    end = within.end - timedelta(microseconds=1) if after is None else after
    times = frames.read("read_minute_times", symbol, start, end)["time"]
    if times.is_empty():
        return []
    silent = frames.read("no_trade_minutes", symbol, times[0], times[-1])["time"]
    return gaps_between(pl.concat([times, silent]).sort() if len(silent) else times)


def record_gaps(frames: Frames, symbol: str, within: TimeRange) -> list[TimeRange]:
    """Open a finding for each gap that touches a range, close those that are filled. Returns the open gaps."""
    gaps = find_gaps(frames, symbol, within)
    found = pl.DataFrame(
        [(gap.start, gap.end, f'{{"n_minutes": {gap.n_minutes}}}') for gap in gaps],
        schema=_FINDING_SCHEMA,
        orient="row",
    )
    _record(frames, found, (symbol, "1m", "gap"), severity="error", within=within)
    return gaps


def record_skips(
    frames: Frames, symbol: str, interval: Interval, strategy: str, *, skipped: pl.DataFrame, within: TimeRange
) -> None:
    """Open a finding for each candle that was skipped for missing minutes, close those that were decided on since.

    Args:
        frames: The database.
        symbol: Whose candles.
        interval: The candles' interval.
        strategy: Who skipped.
        skipped: ``time, close_time, minutes, expected_minutes``.
        within: The candles that were evaluated; findings elsewhere stay.
    """
    details = pl.struct(
        pl.lit(strategy).alias("strategy"), pl.lit("decision skipped").alias("effect"), "minutes", "expected_minutes"
    )
    found = skipped.select(
        pl.col("time").alias("start_time"),
        pl.col("close_time").alias("end_time"),
        details.struct.json_encode().alias("details"),
    )
    _record(frames, found, (symbol, interval.label, "gap"), severity="warning", within=within, strategy=strategy)


def _record(
    frames: Frames,
    found: pl.DataFrame,
    about: tuple[str, str, str],
    *,
    severity: str,
    within: TimeRange,
    strategy: str = "",
) -> None:
    frames.put("incoming", found)
    frames.run("resolve_findings", *about, strategy, within.start, within.end)
    frames.run("insert_findings", *about, severity)
