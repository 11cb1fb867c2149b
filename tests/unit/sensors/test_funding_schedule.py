"""For which months funding is fetched."""

from datetime import UTC, datetime

import pytest

from sensors.funding_schedule import months_due


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
