"""When funding is asked for, and for which months."""

from datetime import UTC, datetime, timedelta

import pytest

from sensors.funding import Cursor, is_due, months_due, turn_of


def first(month, year=2025):
    """Return the first instant of a month."""
    return datetime(year, month, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "newest", "months"),
    [
        (datetime(2025, 3, 15, 6, 23, tzinfo=UTC), [], [first(3)]),
        (datetime(2025, 3, 1, 6, 23, tzinfo=UTC), [], [first(2), first(3)]),
        (datetime(2025, 1, 2, 6, 23, tzinfo=UTC), [], [first(12, 2024), first(1)]),
        # Nobody fetched for weeks, or of one symbol.
        (datetime(2025, 3, 15, tzinfo=UTC), [datetime(2025, 1, 30, tzinfo=UTC)], [first(1), first(2), first(3)]),
        (datetime(2025, 3, 15, tzinfo=UTC), [first(3), datetime(2025, 2, 9, tzinfo=UTC)], [first(2), first(3)]),
        # A coin that was delisted years ago.
        (datetime(2025, 3, 15, tzinfo=UTC), [first(1, 2024)], [first(12, 2024), first(1), first(2), first(3)]),
    ],
)
def test_the_present_month_and_what_was_missed(now, newest, months):
    """At a month's beginning the one before, too; after an outage all since, up to a bound."""
    assert [month.start for month in months_due(now, newest)] == months


@pytest.mark.parametrize(
    ("seen", "now", "due"),
    [
        (None, Cursor(5), False),
        (None, Cursor(5, ("BTC",)), True),
        (Cursor(5), Cursor(5, ("BTC",)), True),
        (Cursor(5, ("BTC",)), Cursor(5, ("BTC",)), False),
        (Cursor(5, ("BTC",)), Cursor(5, ("BTC", "ETH")), True),
        (Cursor(5, ("BTC", "ETH")), Cursor(5, ("BTC",)), False),
        (Cursor(5, ("BTC",)), Cursor(6, ("BTC",)), True),
        # Without a collector, by the clock alone.
        (Cursor(5), Cursor(5), False),
        (Cursor(5), Cursor(6), True),
    ],
)
def test_a_symbol_that_is_new_does_not_wait_for_its_turn(seen, now, due):
    """At once where its coin is found, then every six hours; what was missed is made good at the next look."""
    assert is_due(seen, now) is due


def test_a_turn_is_six_hours():
    """It begins at 0:23, 6:23, 12:23 and 18:23."""
    begins = datetime(2025, 3, 15, 6, 23, tzinfo=UTC)
    assert turn_of(begins) == turn_of(begins + timedelta(hours=6, microseconds=-1))
    assert turn_of(begins - timedelta(microseconds=1)) == turn_of(begins) - 1
