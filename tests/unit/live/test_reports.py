"""What the lane tells of its work."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from btc_core.model.timerange import TimeRange
from btc_core.partitions import month_range
from btc_store.checks import Result
from btc_store.derive import Written
from live.reports import MOST_RANGES, check_report, materialization, minutes_report, partition_of

START = datetime(2025, 2, 14, tzinfo=UTC)


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
        "rows derived": 3,
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


def test_a_check_is_reported_with_its_table():
    """As the Dagster lane shows it: a sentence, figures and what was found; a mild fault is a warning."""
    row = {"symbol": "BTC", "from": "2025-02-14 00:00Z", "minutes": 56}
    bad = Result(
        asset="candles/1h", check="sums", passed=False, is_error=True, text="1 finding", figures={"n": 1}, table=[row]
    )
    report = check_report(bad, "p")
    assert (report.asset_key, report.check_name, report.passed, report.severity) == (
        "candles/1h",
        "sums",
        False,
        "ERROR",
    )
    assert report.metadata == {"description": "1 finding", "n": 1, "run": "live", "which": [row]}
    good = check_report(replace(bad, passed=True, is_error=False, table=[]), "p")
    assert (good.passed, good.severity, "which" in good.metadata) == (True, "WARN", False)
