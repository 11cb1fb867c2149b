"""Data-quality checks as asset checks: what is missing, said where a person looks."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from btc_assets.candles import MINUTES_KEY
from btc_assets.partitions import Partition, partitions_of
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, format_time, merge_ranges
from btc_core.resample import close_time, expected_minutes
from btc_store.frames import Frames, read_candles
from btc_store.quality import record_gaps
from resources.progress import Progress
from resources.timescale import Timescale

COMPLETE, GAPS = "complete", "gaps"
# A check's page shows a table: more rows than this help nobody.
MOST_ROWS = 200


def complete_check_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the blocking check of an interval's indicators."""
    return dg.AssetCheckSpec(
        COMPLETE,
        asset=key,
        blocking=True,
        description="Every candle has all its minutes. Minutes that may still come hold the decisions back (ERROR); "
        "minutes that will not come are flagged, and each decision follows the completeness rule (WARN).",
    )


def completeness_result(
    frames: Frames,
    key: dg.AssetKey,
    interval: Interval,
    partitions: Sequence[Partition],
    *,
    now: datetime,
    wait: timedelta,
) -> dg.AssetCheckResult:
    """Judge the candles that a run derived: complete, incomplete for good, or still to be filled."""
    parts = [
        read_candles(frames, partition.symbol, interval, span).with_columns(symbol=pl.lit(partition.symbol))
        for partition in partitions
        for span in partition.spans(interval, now=now)
    ]
    schema = {"symbol": pl.String, "time": pl.Datetime("us", "UTC"), "minutes": pl.Int32}
    candles = pl.concat(parts).select(*schema) if parts else pl.DataFrame(schema=schema)
    short = candles.with_columns(
        expected=expected_minutes(pl.col("time"), interval), close_time=close_time(pl.col("time"), interval)
    ).filter(pl.col("minutes") < pl.col("expected"))
    open_still = short.filter(pl.col("close_time") > now - wait)
    records = [
        {"symbol": symbol, "candle": format_time(time), "minutes": minutes, "of": expected}
        for symbol, time, minutes, expected, _ in short.head(MOST_ROWS).iter_rows()
    ]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=COMPLETE,
        passed=short.height == 0,
        severity=dg.AssetCheckSeverity.ERROR if open_still.height else dg.AssetCheckSeverity.WARN,
        description=_sentence(short.height, open_still.height, candles.height, wait),
        metadata={"candles": candles.height, "incomplete": short.height, **_table(records)},
    )


def build_gaps_check(partitions: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """Return the check that finds missing minutes and keeps the findings in ``data_quality``."""

    @dg.asset_check(
        asset=MINUTES_KEY,
        name=GAPS,
        description="No minute is missing between the first and the last stored one. Findings go to `data_quality` "
        "and close themselves when the minutes come.",
        partitions_def=partitions,
    )
    def gaps(
        context: dg.AssetCheckExecutionContext,
        timescale: dg.ResourceParam[Timescale],
        progress: dg.ResourceParam[Progress],
    ) -> dg.AssetCheckResult:
        records: list[dict[str, str | int]] = []
        with timescale.frames() as frames:
            for partition in partitions_of(context, progress):
                found = [gap for span in _minutes(partition) for gap in _record(frames, partition.symbol, span)]
                records += [_gap_record(partition.symbol, gap) for gap in found]
        n_minutes = sum(int(record["minutes"]) for record in records)
        return dg.AssetCheckResult(
            passed=not records,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(records)} gaps, {n_minutes} minutes missing" if records else "no minute is missing",
            metadata={"gaps": len(records), "missing minutes": n_minutes, **_table(records[:MOST_ROWS])},
        )

    return gaps


def _record(frames: Frames, symbol: str, span: TimeRange) -> list[TimeRange]:
    with frames.transaction():
        return record_gaps(frames, symbol, span)


def _minutes(partition: Partition) -> list[TimeRange]:
    """Return the minutes of a partition that a run is about."""
    if partition.touched is None:
        return [partition.month]
    touched = merge_ranges([minutes for ranges in partition.touched.values() for minutes in ranges])
    return [part for minutes in touched if (part := minutes.clip(partition.month))]


def _gap_record(symbol: str, gap: TimeRange) -> dict[str, str | int]:
    return {
        "symbol": symbol,
        "from": format_time(gap.start),
        "to": format_time(gap.end),
        "minutes": gap.n_minutes,
    }


def _sentence(n_short: int, n_open: int, n_candles: int, wait: timedelta) -> str:
    if not n_short:
        return f"all {n_candles} candles are complete"
    if n_open:
        return (
            f"{n_open} candles closed less than {wait.total_seconds() / 60:g} minutes ago and miss minutes that may "
            "still come: decisions wait. The next run decides"
        )
    return f"{n_short} of {n_candles} candles miss minutes for good"


def _table(records: Sequence[dict[str, str | int]]) -> dict[str, dg.MetadataValue]:
    return {"missing": dg.MetadataValue.table([dg.TableRecord(record) for record in records])} if records else {}
