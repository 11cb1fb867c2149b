"""Which month owns a candle, in cases; the law is in ``tests/property/test_partitions.py``."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import candles_closed_in, month_key, month_of, month_range, months_of

JANUARY, FEBRUARY, MARCH = (month_range(datetime(2025, month, 1, tzinfo=UTC)) for month in (1, 2, 3))


@pytest.mark.parametrize(
    ("close", "owner"),
    [
        (datetime(2025, 2, 1, tzinfo=UTC), JANUARY),
        (datetime(2025, 2, 1, 0, 1, tzinfo=UTC), FEBRUARY),
        (datetime(2025, 2, 28, 23, 59, tzinfo=UTC), FEBRUARY),
        (datetime(2025, 3, 1, tzinfo=UTC), FEBRUARY),
        (datetime(2025, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))), FEBRUARY),
    ],
)
def test_a_candle_belongs_to_the_month_of_its_last_minute(close, owner):
    """A candle that closes at midnight of the first was made of the month before; the day is UTC's."""
    assert month_of(close) == owner


def test_december_is_followed_by_january():
    """The year changes with it."""
    assert month_range(datetime(2024, 12, 31, 23, 59, tzinfo=UTC)).end == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_month_is_named_by_its_first_day():
    """As Dagster's partitions are."""
    assert month_key(FEBRUARY) == "2025-02-01"


def test_the_month_of_the_last_minute_is_the_last():
    """A range that ends at midnight of the first does not reach into the month."""
    assert months_of(TimeRange(JANUARY.start, FEBRUARY.end)) == [JANUARY, FEBRUARY]
    assert months_of(TimeRange(JANUARY.start, FEBRUARY.end + timedelta(minutes=1))) == [JANUARY, FEBRUARY, MARCH]


def test_a_month_may_own_no_candle():
    """An interval of a year closes in one month of twelve."""
    months = [month_range(datetime(2025, month, 1, tzinfo=UTC)) for month in range(1, 13)]
    assert sum(1 for month in months if candles_closed_in(month, parse_interval("365d"))) == 1
    assert candles_closed_in(JANUARY, parse_interval("1M")) == JANUARY
