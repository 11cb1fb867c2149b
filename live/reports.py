"""What the lane tells Dagster of its work: materialisations, and the check that guards decisions.

Names and metadata are those of the Dagster lane, so that the UI shows one history.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, format_time
from btc_core.partitions import month_key
from btc_core.resample import close_time, expected_minutes
from btc_store.derive import Written
from btc_store.outbox import Cell, Report

# Who did it: where a run's decisions have the run's id.
RUN_ID = "live"
COMPLETE = "complete"
MOST_RANGES, MOST_ROWS = 5, 200


def partition_of(month: TimeRange, symbol: str) -> str:
    """Return Dagster's name of a month of a symbol."""
    return f"{month_key(month)}|{symbol}"


def materialization(
    asset_key: str, partition: str, *, spans: Sequence[TimeRange], written: Written, seconds: float
) -> Report:
    """Report rows that were derived.

    Args:
        asset_key: With slashes.
        partition: Of the asset.
        spans: Open times of the candles that were derived.
        written: How many rows were computed and written.
        seconds: How long that took.
    """
    ranges = [f"{format_time(span.start)} to {format_time(span.end)}" for span in spans[:MOST_RANGES]]
    metadata: dict[str, Cell] = {
        "dagster/partition_row_count": written.n_rows,
        "rows written": written.n_written,
        "range": " · ".join(ranges),
        "ranges": len(spans),
        "seconds": round(seconds, 3),
        "run": RUN_ID,
    }
    return Report(kind="materialization", asset_key=asset_key, partition=partition, metadata=metadata)


def minutes_report(partition: str, minutes: Sequence[TimeRange]) -> Report:
    """Report the 1m candles that the work rests on; others wrote them."""
    text = f"{format_time(min(m.start for m in minutes))} to {format_time(max(m.end for m in minutes))}"
    metadata = {"range": text, "written by": "collector or import", "run": RUN_ID}
    return Report(kind="materialization", asset_key="candles/1m", partition=partition, metadata=metadata)


def complete_check(
    asset_key: str, partition: str, candles: pl.DataFrame, interval: Interval, *, now: datetime, wait: timedelta
) -> Report:
    """Judge candles that were derived: complete, incomplete for good, or still to be filled.

    Args:
        asset_key: Of the indicators of the interval.
        partition: Which month and symbol the candles are of.
        candles: With ``time`` and ``minutes``.
        interval: Theirs.
        now: The present instant of the market.
        wait: How long missing minutes are waited for.
    """
    time = pl.col("time")
    judged = candles.with_columns(expected=expected_minutes(time, interval), close_time=close_time(time, interval))
    short = judged.filter(pl.col("minutes") < pl.col("expected"))
    n_open = short.filter(pl.col("close_time") > now - wait).height
    missing = [
        {"symbol": partition.partition("|")[2], "candle": format_time(time), "minutes": minutes, "of": expected}
        for time, minutes, expected in short.select("time", "minutes", "expected").head(MOST_ROWS).iter_rows()
    ]
    told: dict[str, Cell | Sequence[dict[str, Cell]]] = {
        "description": f"{short.height} of {candles.height} candles miss minutes for good"
        if short.height
        else f"all {candles.height} candles are complete",
        "candles": candles.height,
        "incomplete": short.height,
        "run": RUN_ID,
    }
    return Report(
        kind="check",
        asset_key=asset_key,
        partition=partition,
        check_name=COMPLETE,
        passed=not short.height,
        severity="ERROR" if n_open else "WARN",
        metadata={**told, "missing": missing} if missing else told,
    )
