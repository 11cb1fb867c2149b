"""The check reconciliation."""

import polars as pl

from btc_core.model.interval import parse_interval
from tests.checks import START, found, named, times
from tests.derivation import minute, minutes_frame

HOUR = parse_interval("1h")
OURS = minutes_frame([minute(60 * n, START, price=100.0 + n, volume=2.0) | {"minutes": 60} for n in range(4)])
THEIRS = OURS.drop("minutes")


def judged(theirs, imported=times(), fresh=times(), silent=times(), ours=OURS):  # noqa: B008  # a frame is no list: nobody changes it
    """Return what the check says of our hours."""
    frames = {"candles": ours, "exchange": theirs, "imported": imported, "written_since": fresh, "silent": silent}
    return found(named("reconciliation"), frames, interval=HOUR)


def with_second(**change):
    """Return the exchange's candles with another second one."""
    second = pl.int_range(pl.len()) == 1
    return THEIRS.with_columns(**{n: pl.when(second).then(v).otherwise(pl.col(n)) for n, v in change.items()})


def test_equal_candles_pass():
    """To the last bit, and to 1e-9 in the volume."""
    assert judged(THEIRS) == []
    assert judged(with_second(volume=2.0 * (1 + 1e-12))) == []


def test_a_difference_says_both_values_and_how_many_minutes_we_have():
    """Ours first."""
    assert judged(with_second(close=101.5, trades=9)) == [
        (60, 120, "error", {"close": "101.0, not 101.5", "trades": "1, not 9", "minutes": 60})
    ]
    assert len(judged(with_second(volume=2.0 * (1 + 1e-6)))) == 1


def test_candles_with_imported_minutes_are_left_out():
    """They are another market's, or another print."""
    assert judged(with_second(close=101.5), imported=times(119)) == []
    assert judged(with_second(close=101.5), fresh=times(60)) == []
    assert len(judged(with_second(close=101.5), imported=times(120))) == 1


def test_what_the_exchange_has_no_longer_is_not_held_against_us():
    """It keeps 5,000 candles."""
    assert judged(THEIRS.tail(1)) == []


def test_a_candle_that_lacks_minutes_is_told_and_is_no_error():
    """The first hour that was collected begins in its middle; a minute without trades is not lacking."""
    short = OURS.with_columns(minutes=pl.lit(59, OURS.schema["minutes"]))
    assert [row[2] for row in judged(with_second(close=101.5), ours=short)] == ["info"]
    assert [row[2] for row in judged(with_second(close=101.5), ours=short, silent=times(70))] == ["error"]
