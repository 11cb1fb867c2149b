"""The check revisions."""

from tests.checks import START, found, named, times
from tests.derivation import minute, minutes_frame

MINUTES = minutes_frame([minute(n, START) for n in range(1000)])


def revised(n):
    """Return so many minutes, each replaced twice."""
    return times(*range(n)).with_columns(n_revisions=2)


def test_a_rate_above_the_share_is_found():
    """As a finding of the day."""
    assert found(named("revisions"), {"candles/1m": MINUTES, "revisions": revised(10)}) == []
    assert found(named("revisions"), {"candles/1m": MINUTES, "revisions": revised(11)}) == [
        (0, 1440, "warning", {"n_revised": 11, "n_minutes": 1000, "n_revisions": 22, "share": 0.011})
    ]


def test_a_short_day_is_not_held_against_its_share():
    """Four of ten minutes are still few."""
    assert found(named("revisions"), {"candles/1m": MINUTES.head(10), "revisions": revised(4)}) == []
