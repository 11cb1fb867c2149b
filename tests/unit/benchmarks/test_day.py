"""When a trial may be judged: nothing waits for minutes any more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.day import _later, is_good
from btc_store.settings import load_settings
from live.plan import plan_of

ROOT = Path(__file__).resolve().parents[3]
NEWEST = datetime(2025, 3, 4, 5, 17, tzinfo=UTC)


@pytest.fixture(scope="module")
def plan():
    """What config.yaml asks for."""
    return plan_of(
        load_settings({"BTC_CONFIG": str(ROOT / "config.yaml"), "DATABASE_URL": "postgresql://localhost/y"}).config
    )


@pytest.mark.parametrize("minutes", range(0, 300, 7))
def test_no_candle_of_the_newest_minute_waits(plan, minutes):
    """Each is open still, or closed for as long as missing minutes are waited for; no more time passes than needed."""
    now = NEWEST + timedelta(minutes=minutes)
    later = _later(plan, NEWEST, now)
    closes = [interval.close_of(interval.floor(NEWEST)) for interval in plan.intervals]
    assert all(later < close or later >= close + plan.rule.wait for close in closes)
    assert now <= later < now + timedelta(hours=1)


def test_a_trial_is_good_when_nothing_is_missing_wrong_or_otherwise():
    """What ended and came back is no fault."""
    good = {"n_missing": 0, "n_wrong": 0, "differences": {}, "revived": ["daemon"]}
    assert is_good(good)
    assert not any(is_good({**good, **bad}) for bad in ({"n_missing": 1}, {"n_wrong": 1}, {"differences": {"a": "b"}}))
