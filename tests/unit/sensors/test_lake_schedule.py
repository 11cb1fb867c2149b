"""For which months the lake is asked."""

from datetime import UTC, datetime

import pytest

from btc_core.model.timerange import TimeRange
from btc_core.partitions import month_range
from sensors.lake_schedule import months_due

NOW = datetime(2025, 3, 15, tzinfo=UTC)
HISTORY = TimeRange(datetime(2024, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC))


def month(year, number):
    """Return a calendar month."""
    return month_range(datetime(year, number, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("behind", "first", "n"),
    [
        ([], month(2025, 3), 1),
        ([month(2025, 3)], month(2025, 3), 1),
        ([month(2024, 12), month(2025, 2)], month(2024, 12), 4),
        # Older than the partitions: btc archive writes it, no partition does.
        ([month(2020, 5)], month(2025, 3), 1),
    ],
)
def test_from_the_first_month_that_is_behind_to_the_present_one(behind, first, n):
    """The present one always: backtests and accounts are written with it."""
    months = months_due(behind, HISTORY, now=NOW)
    assert (months[0], len(months)) == (first, n)
    assert months[-1].start <= NOW < months[-1].end
