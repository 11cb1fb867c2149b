"""What the lane tells of its work."""

from datetime import UTC, datetime, timedelta

import polars as pl

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import month_range
from btc_store.derive import Written
from live.reports import MOST_RANGES, complete_check, materialization, minutes_report, partition_of
from tests.derivation import candles_of_closes

START = datetime(2025, 2, 14, tzinfo=UTC)
HOUR = parse_interval("1h")
WAIT = timedelta(minutes=10)


def span(first, end):
    """Return the hours from the first to before the end."""
    return TimeRange(START + timedelta(hours=first), START + timedelta(hours=end))


def test_a_partition_is_month_and_symbol():
    """As Dagster writes it."""
    assert partition_of(month_range(START), "BTC") == "2025-02-01|BTC"


def test_a_materialization_says_rows_range_and_seconds():
    """As the Dagster lane's does, and who did it."""
    report = materialization("candles/1h", "p", spans=[span(0, 2), span(5, 6)], written=Written(3, 1), seconds=0.01234)
    assert report.metadata == {
        "dagster/partition_row_count": 3,
        "rows written": 1,
        "range": "2025-02-14 00:00Z to 2025-02-14 02:00Z · 2025-02-14 05:00Z to 2025-02-14 06:00Z",
        "ranges": 2,
        "seconds": 0.012,
        "run": "live",
    }
    many = [span(2 * n, 2 * n + 1) for n in range(9)]
    told = materialization("candles/1h", "p", spans=many, written=Written(9, 9), seconds=0).metadata
    assert (told["ranges"], str(told["range"]).count("to")) == (9, MOST_RANGES)


def test_the_minutes_are_reported_by_their_ends():
    """Others wrote them."""
    report = minutes_report("p", [span(3, 4), span(0, 1)])
    assert report.asset_key == "candles/1m"
    assert report.metadata["range"] == "2025-02-14 00:00Z to 2025-02-14 04:00Z"


def test_a_check_tells_missing_minutes_for_good_from_those_that_may_come():
    """A warning and an error; whole candles pass."""
    candles = candles_of_closes([1.0, 2.0, 3.0], HOUR, START)
    short = candles.with_columns(minutes=pl.Series([60, 60, 56]))
    end = START + timedelta(hours=3)

    def judge(frame, now):
        return complete_check("indicators/1h", "2025-02-01|BTC", frame, HOUR, now=now, wait=WAIT)

    whole, late, early = judge(candles, end), judge(short, end + WAIT), judge(short, end)
    assert (whole.passed, whole.metadata["description"]) == (True, "all 3 candles are complete")
    assert "missing" not in whole.metadata
    assert (late.passed, late.severity, early.severity) == (False, "WARN", "ERROR")
    assert late.metadata["missing"] == [{"symbol": "BTC", "candle": "2025-02-14 02:00Z", "minutes": 56, "of": 60}]
