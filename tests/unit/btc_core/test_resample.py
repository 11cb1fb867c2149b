"""Cases of resampling that people ask about; the laws are in ``tests/property/test_resampling.py``."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.errors import DataError
from btc_core.model.interval import parse_interval
from btc_core.resample import CANDLE_SCHEMA, expected_minutes, open_time, resample
from tests.derivation import minute, minutes_frame

START = datetime(2025, 1, 1, tzinfo=UTC)
FIVE = parse_interval("5m")


def one(rows):
    """Return the only candle of 5m that the rows make."""
    return resample(minutes_frame(rows), FIVE).row(0, named=True)


def test_the_open_is_that_of_the_first_minute_with_volume():
    """Leading minutes without trades carry an older price; high and low count them all the same."""
    candle = one([minute(0, START, price=90, volume=0), minute(1, START, price=100), minute(2, START, price=110)])
    assert (candle["open"], candle["low"], candle["close"], candle["minutes"]) == (100, 90, 110, 3)


def test_a_candle_without_any_trade_opens_at_its_first_minute():
    """All silent: the first minute's open, volume 0, and it is there."""
    candle = one([minute(0, START, price=90, volume=0), minute(3, START, price=91, volume=0)])
    assert (candle["open"], candle["close"], candle["volume"], candle["trades"]) == (90, 91, 0, 0)


def test_a_candle_without_minutes_is_absent():
    """Nothing is filled forward (law 8)."""
    candles = resample(minutes_frame([minute(0, START), minute(11, START)]), FIVE)
    assert candles["time"].to_list() == [START, START + timedelta(minutes=10)]
    assert candles["minutes"].to_list() == [1, 1]


def test_an_unknown_number_of_trades_stays_unknown():
    """A sum with a null in it is null, for that candle alone."""
    rows = [minute(n, START) for n in range(10)]
    rows[7]["trades"] = None
    assert resample(minutes_frame(rows), FIVE)["trades"].to_list() == [5, None]


def test_more_trades_than_the_column_holds_are_unknown():
    """A number that ran over would be another one, below zero at that."""
    rows = [minute(n, START) | {"trades": 2**30} for n in range(7)]
    assert resample(minutes_frame(rows), FIVE)["trades"].to_list() == [None, None]
    assert resample(minutes_frame(rows[:1]), FIVE)["trades"].to_list() == [2**30]


def test_no_minutes_make_no_candles():
    """The schema is the same."""
    candles = resample(minutes_frame([]), FIVE)
    assert (candles.height, candles.schema) == (0, CANDLE_SCHEMA)


def test_a_month_counts_its_own_minutes():
    """February of a leap year has 29 days."""
    months = pl.DataFrame({"time": [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 4, 12)]})
    n_minutes = months.select(expected_minutes(pl.col("time"), parse_interval("1M"))).to_series()
    assert n_minutes.to_list() == [31 * 1440, 29 * 1440, 30 * 1440, 31 * 1440]


def test_weeks_open_on_monday():
    """2025-01-01 is a Wednesday."""
    times = pl.DataFrame({"time": [START]})
    assert times.select(open_time(pl.col("time"), parse_interval("1w"))).item() == datetime(2024, 12, 30, tzinfo=UTC)


def test_volumes_that_no_candle_can_hold_are_refused():
    """Nothing is infinite: who derives is told which candle it is."""
    rows = [minute(n, START) | ({"volume": 1.5e308} if n in {5, 6} else {}) for n in range(10)]
    with pytest.raises(DataError, match=r"5m candle at 2025-01-01 00:05Z"):
        resample(minutes_frame(rows), FIVE)
    rows[6]["volume"] = 1.0
    assert resample(minutes_frame(rows), FIVE)["volume"][1] == 1.5e308
