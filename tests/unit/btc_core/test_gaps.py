"""Missing minutes are absent rows, found between those that are there."""

from datetime import UTC, datetime

import polars as pl

from btc_core.gaps import gaps_between
from btc_core.model.timerange import MINUTE, TimeRange

START = datetime(2025, 1, 1, tzinfo=UTC)


def times(*minutes):
    """Return open times, so many minutes after the start."""
    return pl.Series("time", [START + i * MINUTE for i in minutes], dtype=pl.Datetime("us", "UTC"))


def span(first, last):
    """Return the range between two minutes."""
    return TimeRange(START + first * MINUTE, START + last * MINUTE)


def test_nothing_is_missing_in_an_unbroken_series():
    """Consecutive minutes have no gap; neither has one alone, or none."""
    assert gaps_between(times(0, 1, 2)) == []
    assert gaps_between(times(5)) == []
    assert gaps_between(times()) == []


def test_gaps_are_half_open_ranges():
    """A gap starts with the first missing minute and ends with the first that is there again."""
    assert gaps_between(times(0, 1, 4, 5, 7)) == [span(2, 4), span(6, 7)]


def test_a_range_is_to_be_complete_from_end_to_end():
    """Within a range what is missing at its edges counts too, and what lies outside does not."""
    assert gaps_between(times(0, 3, 4, 9), within=span(2, 7)) == [span(2, 3), span(5, 7)]
    assert gaps_between(times(), within=span(2, 7)) == [span(2, 7)]
