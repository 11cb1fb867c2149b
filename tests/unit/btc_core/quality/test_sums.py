"""The check sums."""

import random
from datetime import timedelta

import polars as pl
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import resample
from tests.checks import START, found, named, times
from tests.derivation import made_minutes, minutes_frame

HOUR = parse_interval("1h")
MINUTES = made_minutes(TimeRange(START, START + timedelta(hours=4)), random.Random(3), n_gaps=2, longest_gap=5)
CANDLES = resample(MINUTES, HOUR)


def judged(candles, minutes=MINUTES, fresh=times()):  # noqa: B008  # a frame is no list: nobody changes it
    """Return what the check says of hours."""
    frames = {"candles": candles, "candles/1m": minutes, "written_since": fresh}
    return found(named("sums"), frames, interval=HOUR)


def changed(name, value):
    """Return the candles with another value in the second of them."""
    row = pl.int_range(pl.len()) == 1
    return CANDLES.with_columns(
        pl.when(row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name).cast(CANDLES.schema[name])
    )


@pytest.mark.parametrize("label", ["3m", "37m", "1h", "2h", "1d", "1M"])
def test_derived_candles_are_their_minutes(label):
    """Whatever the interval, gaps and silent minutes included."""
    interval = parse_interval(label)
    frames = {"candles": resample(MINUTES, interval), "candles/1m": MINUTES, "written_since": times()}
    assert found(named("sums"), frames, interval=interval) == []


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume", "trades", "minutes"])
def test_a_value_that_is_not_its_minutes_is_found(name):
    """The finding says which, and what was expected."""
    ((first, end, severity, told),) = judged(changed(name, 7))
    assert (first, end, severity) == (60, 120, "error")
    assert list(told) == [name]
    ours, expected = str(told[name]).split(", not ")
    assert float(ours) == 7
    assert float(expected) == pytest.approx(CANDLES[name][1], rel=1e-12)


def test_the_last_bits_of_a_sum_are_none():
    """A sum of floats in another order; a millionth is another sum."""
    volume = CANDLES["volume"][1]
    assert judged(changed("volume", volume * (1 + 1e-12))) == []
    assert len(judged(changed("volume", volume * (1 + 1e-6)))) == 1


def test_a_count_of_trades_where_the_source_has_none_is_found():
    """Null is not zero."""
    uncounted = MINUTES.with_columns(trades=pl.lit(None, pl.Int32))
    assert judged(resample(uncounted, HOUR), uncounted) == []
    assert len(judged(CANDLES, uncounted)) == CANDLES.height


def test_a_count_of_trades_that_no_column_holds_is_none():
    """More than that is unknown in the candles, and here."""
    many = MINUTES.with_columns(trades=pl.lit(2**30, pl.Int32))
    assert judged(resample(many, HOUR), many) == []


def test_a_minute_that_came_after_the_run_began_is_the_next_run_s():
    """Its candle will be derived anew: nothing is said of it now."""
    assert judged(changed("close", 7), fresh=times(61)) == []
    assert len(judged(changed("close", 7), fresh=times(121))) == 1


def test_a_candle_without_minutes_is_found():
    """It was made of something that is not there."""
    told = judged(CANDLES, minutes_frame([]))
    assert [row[3] for row in told] == [{"minutes": "none of its minutes is stored"}] * CANDLES.height
