"""A candle belongs to the month of its last minute (law 3)."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.partitions import candles_closed_in, month_key, month_of, month_range, months_of
from tests.property.strategies import intervals

DECEMBER = month_range(datetime(2020, 12, 15, tzinfo=UTC))


def test_a_month_ends_where_the_next_begins():
    """December's end is January's start, of the next year."""
    assert TimeRange(datetime(2020, 12, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)) == DECEMBER
    assert month_key(DECEMBER) == "2020-12-01"


def test_a_candle_that_closes_at_midnight_is_the_old_months():
    """Its last minute is the last of the old month; a minute later it is the new one's."""
    assert month_of(DECEMBER.end) == DECEMBER
    assert month_of(DECEMBER.end + MINUTE) == month_range(DECEMBER.end)


def test_the_months_of_a_range_are_those_of_its_minutes():
    """A range that ends at midnight has no minute of the next month."""
    assert months_of(DECEMBER) == [DECEMBER]
    assert months_of(TimeRange(DECEMBER.start, DECEMBER.end + MINUTE)) == [DECEMBER, month_range(DECEMBER.end)]


@pytest.mark.parametrize(("label", "closes"), [("1M", 1), ("1d", 31), ("1h", 744), ("37m", 1206)])
def test_what_december_owns(label, closes):
    """A month owns as many candles as close in it."""
    interval = parse_interval(label)
    assert len(interval.opens(candles_closed_in(DECEMBER, interval))) == closes


@given(interval=intervals(), year=st.integers(2000, 2035))
def test_the_months_of_a_year_split_the_grid(interval, year):
    """Every candle that closes in a year is owned by exactly one month, and made of minutes before that month's end."""
    months = months_of(TimeRange(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)))
    owned = [owns for month in months if (owns := candles_closed_in(month, interval))]
    assert all(one.end == other.start for one, other in pairwise(owned))
    for month in months:
        owns = candles_closed_in(month, interval)
        if owns:
            assert owns.start >= month.start - interval.longest
            assert owns.end <= month.end
