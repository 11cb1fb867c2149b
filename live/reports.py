"""What the lane tells Dagster of its work: materialisations and the results of checks.

Names and metadata are those of the Dagster lane, so that the UI shows one history.
"""

from collections.abc import Sequence
from typing import TypeAlias

from btc_core.model.timerange import TimeRange, format_time
from btc_core.partitions import month_key
from btc_store.checks import Result
from btc_store.derive import Written
from btc_store.outbox import Cell, Report

# Who did it: where a run's decisions have the run's id.
RUN_ID = "live"
MOST_RANGES = 5

# By strategy: the spans that were worked on, what came of it, and how many seconds it took. An asset of a strategy has
# all its intervals.
Work: TypeAlias = dict[str, tuple[list[TimeRange], Written, float]]


def add_work(work: Work, name: str, spans: Sequence[TimeRange], written: Written, seconds: float) -> None:
    """Add the work on one interval to that of a strategy."""
    ranges, before, so_far = work.get(name, ([], Written(), 0.0))
    work[name] = ([*ranges, *spans], before + written, so_far + seconds)


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
        "rows derived": written.n_rows,
        "rows written": written.n_written,
        "range": " · ".join(ranges),
        "ranges": len(spans),
        "seconds": round(seconds, 3),
        "run": RUN_ID,
    }
    return Report(kind="materialization", asset_key=asset_key, partition=partition, metadata=metadata)


def minutes_report(partition: str, minutes: Sequence[TimeRange]) -> Report:
    """Report 1m candles that were worked on; others wrote them."""
    text = f"{format_time(min(m.start for m in minutes))} to {format_time(max(m.end for m in minutes))}"
    metadata = {"range": text, "written by": "collector or import", "run": RUN_ID}
    return Report(kind="materialization", asset_key="candles/1m", partition=partition, metadata=metadata)


def check_report(result: Result, partition: str) -> Report:
    """Report what a check says of a partition."""
    return Report(
        kind="check",
        asset_key=result.asset,
        partition=partition,
        check_name=result.check,
        passed=result.passed,
        severity="ERROR" if result.is_error else "WARN",
        metadata={
            "description": result.text,
            **result.figures,
            "run": RUN_ID,
            **({"which": result.table} if result.table else {}),
        },
    )
