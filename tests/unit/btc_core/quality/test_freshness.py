"""The check freshness."""

from datetime import timedelta

import polars as pl
import pytest

from tests.checks import START, found, named, times


def newest(*numbers: int, is_import: bool = False) -> pl.DataFrame:
    """Return the newest minute, if there is one."""
    return times(*numbers).with_columns(is_import=pl.lit(is_import))


@pytest.mark.parametrize(
    ("age_minutes", "severity"), [(0, None), (3, None), (3.1, "warning"), (15, "warning"), (15.1, "error")]
)
def test_the_severity_grows_with_age(age_minutes, severity):
    """Counted from the close of the newest minute; the finding has no end yet."""
    now = START + timedelta(minutes=8 + age_minutes)
    rows = found(named("freshness"), {"newest": newest(7)}, now=now)
    assert rows == ([] if severity is None else [(8, None, severity, {"newest_minute": "2025-02-14T00:07Z"})])


def test_a_symbol_without_minutes_is_not_stale():
    """Nothing has stopped where nothing has begun."""
    assert found(named("freshness"), {"newest": newest()}) == []


def test_an_imported_minute_only_warns():
    """No collector is missed that never wrote; it says so, however old the minute is."""
    rows = found(named("freshness"), {"newest": newest(7, is_import=True)}, now=START + timedelta(days=300))
    assert rows == [(8, None, "warning", {"newest_minute": "2025-02-14T00:07Z", "is_import": True})]
