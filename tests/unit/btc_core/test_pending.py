"""What is due, in cases of its own; that nothing is lost is in ``tests/property/test_pending.py``."""

from datetime import UTC, datetime

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.partitions import month_range
from btc_core.pending import Due, add_minutes, common_ranges, take_minutes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR, WEEK = parse_interval("1h"), parse_interval("1w")


def span(first, end):
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


def test_minutes_are_taken_once():
    """What is due leaves the memory, the rest stays."""
    pending = {}
    add_minutes(pending, [span(30, 90)], ["1h"])
    due = take_minutes(pending, {HOUR: START + 60 * MINUTE})
    assert due.touched == {"1h": [span(30, 60)]}
    assert pending == {"1h": [(span(60, 90).start, span(60, 90).end)]}
    assert take_minutes(pending, {HOUR: START + 60 * MINUTE}) is None


def test_the_candles_to_derive_are_those_that_the_month_owns():
    """Whole candles that hold a touched minute; a week over the month's end is the next month's."""
    january, february = month_range(START), month_range(datetime(2025, 2, 1, tzinfo=UTC))
    minutes = TimeRange(datetime(2025, 1, 31, 23, 30, tzinfo=UTC), datetime(2025, 2, 1, 0, 10, tzinfo=UTC))
    due = Due([january, february], {"1h": [minutes], "1w": [minutes]})
    midnight = datetime(2025, 2, 1, tzinfo=UTC)
    assert due.spans(january, HOUR) == [TimeRange(midnight - 60 * MINUTE, midnight)]
    assert due.spans(february, HOUR) == [TimeRange(midnight, midnight + 60 * MINUTE)]
    assert due.spans(january, WEEK) == []
    assert due.spans(february, WEEK) == [WEEK.cover(minutes)]
    assert due.spans(january, parse_interval("37m")) == []


def test_common_ranges_are_in_both():
    """Merged and ascending, whatever the order."""
    left, right = [span(0, 10), span(20, 30)], [span(25, 40), span(5, 22), span(8, 9)]
    assert common_ranges(left, right) == [span(5, 10), span(20, 22), span(25, 30)]
    assert common_ranges(left, []) == []
