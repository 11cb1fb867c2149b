"""``btc backfill`` before it reaches the database or an exchange; what it stores is in tests/integration."""

from datetime import UTC, datetime, timedelta

import pytest

from btc_assets.commands.backfill import minutes_of, split
from btc_core.errors import TimeError
from btc_core.model.timerange import TimeRange

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_a_start_is_wanted(btc):
    """Bad usage."""
    result = btc("backfill", "--symbol", "BTC")
    assert result.exit_code == 2
    assert "Missing option '--start'" in result.stderr


def test_source_that_is_none(btc):
    """Said before anything is asked."""
    result = btc("backfill", "--symbol", "BTC", "--start", "2021-01-01", "--source", "binance")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'binance' is no source of history: expected hyperliquid, ccxt:<exchange>" in result.stderr


def test_source_that_is_not_configured(btc):
    """Two sources are never mixed silently."""
    result = btc("backfill", "--symbol", "BTC", "--start", "2021-01-01", "--source", "ccxt:binance")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "write `history: ccxt:binance` under symbols.BTC in config.yaml" in result.stderr


def test_database_that_is_away(btc):
    """A failed operation; nothing on standard output."""
    result = btc("backfill", "--symbol", "BTC", "--start", "2021-01-01", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("no usable database at 127.0.0.1:1")


def test_minutes_are_whole_and_over():
    """A minute counts when it opens in the range and ended 15 s ago."""
    second = timedelta(seconds=1)
    start, end = NOON - timedelta(hours=1), NOON - timedelta(minutes=30)
    assert minutes_of(start, end, now=NOON) == TimeRange(start, end)
    later = timedelta(minutes=1)
    assert minutes_of(start + second, end + second, now=NOON) == TimeRange(start + later, end + later)
    assert minutes_of(start, None, now=NOON + 15 * second).end == NOON
    assert minutes_of(start, NOON + timedelta(days=1), now=NOON + 14 * second).end == NOON - later


def test_a_range_that_is_still_to_come():
    """Nothing can be fetched of it."""
    with pytest.raises(TimeError, match="must lie before the end"):
        minutes_of(NOON, None, now=NOON)


def test_a_range_is_split_where_the_exchange_begins():
    """What is empty is None."""
    hour = timedelta(hours=1)
    whole = TimeRange(NOON - hour, NOON + hour)
    assert split(whole, NOON) == (TimeRange(NOON - hour, NOON), TimeRange(NOON, NOON + hour))
    assert split(whole, NOON - hour) == (None, whole)
    assert split(whole, NOON + hour) == (whole, None)
