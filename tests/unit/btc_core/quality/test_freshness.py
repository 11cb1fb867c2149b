"""The check freshness."""

from datetime import timedelta

import pytest

from tests.checks import START, found, named, times


@pytest.mark.parametrize(
    ("age_minutes", "severity"), [(0, None), (3, None), (3.1, "warning"), (15, "warning"), (15.1, "error")]
)
def test_the_severity_grows_with_age(age_minutes, severity):
    """Counted from the close of the newest minute; the finding has no end yet."""
    now = START + timedelta(minutes=8 + age_minutes)
    rows = found(named("freshness"), {"newest": times(7)}, now=now)
    assert rows == ([] if severity is None else [(8, None, severity, {"newest_minute": "2025-02-14T00:07Z"})])


def test_a_symbol_without_minutes_is_not_stale():
    """Nothing has stopped where nothing has begun."""
    assert found(named("freshness"), {"newest": times()}) == []
