"""When funding is fetched, and for which months."""

import warnings
from datetime import UTC, datetime
from types import SimpleNamespace

import dagster as dg
import pytest

from sensors.funding_schedule import build_funding_schedule
from sensors.requests import RANGE_END, RANGE_START


@pytest.mark.parametrize(
    ("now", "months"),
    [
        (datetime(2025, 3, 15, 6, 23, tzinfo=UTC), ("2025-03-01", "2025-03-01")),
        (datetime(2025, 3, 1, 6, 23, tzinfo=UTC), ("2025-02-01", "2025-03-01")),
        (datetime(2025, 1, 2, 6, 23, tzinfo=UTC), ("2024-12-01", "2025-01-01")),
    ],
)
def test_the_present_month_of_all_symbols_and_at_its_beginning_the_one_before(now, months):
    """One run, by the market's clock."""
    schedule = build_funding_schedule("fetch_funding", ["BTC", "ETH"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = dg.build_schedule_context(resources={"timescale": SimpleNamespace(now=lambda: now)})
        asked = schedule(context)
    assert asked.tags == {RANGE_START: f"{months[0]}|BTC", RANGE_END: f"{months[1]}|ETH"}
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
