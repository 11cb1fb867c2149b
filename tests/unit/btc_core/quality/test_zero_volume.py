"""The check zero_volume."""

from datetime import timedelta

from btc_core.model.timerange import MINUTE, TimeRange
from tests.checks import DAY, START, found, named, times
from tests.derivation import minute, minutes_frame

CHECK = named("zero_volume", minutes=10)


def frames(quiet, silent=(), first=-20, end=1460):
    """Return minutes with volume, but for the quiet ones, which have none, and the silent ones, which are absent."""
    rows = [minute(n, START, volume=0.0 if n in quiet else 1.0) for n in range(first, end) if n not in silent]
    return {"candles/1m": minutes_frame(rows), "silent": times(*silent)}


def test_only_long_stretches_are_found():
    """Nine minutes are none, ten are one."""
    quiet = {*range(100, 109), *range(200, 210)}
    assert found(CHECK, frames(quiet)) == [(200, 210, "warning", {"n_minutes": 10})]


def test_silence_counts_whether_stored_or_known():
    """Five minutes stored without volume and five that the exchange has no candle of."""
    assert found(CHECK, frames(set(range(50, 55)), set(range(55, 60)))) == [(50, 60, "warning", {"n_minutes": 10})]


def test_a_missing_minute_ends_a_stretch():
    """Nobody knows whether there were trades in it."""
    holed = frames(set(range(50, 61)))
    holed["candles/1m"] = holed["candles/1m"].filter(holed["candles/1m"]["time"] != START + 55 * MINUTE)
    assert found(CHECK, holed) == []


def test_a_stretch_over_midnight_is_two_findings():
    """Each day's is the same whichever days are looked at, and three minutes are enough where the rest is next door."""
    quiet = set(range(1433, 1443))
    assert found(CHECK, frames(quiet)) == [(1433, 1440, "warning", {"n_minutes": 7})]
    both = TimeRange(DAY.start, DAY.end + timedelta(days=1))
    assert found(CHECK, frames(quiet, end=2900), within=both) == [
        (1433, 1440, "warning", {"n_minutes": 7}),
        (1440, 1443, "warning", {"n_minutes": 3}),
    ]
