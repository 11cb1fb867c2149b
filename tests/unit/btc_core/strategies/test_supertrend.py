"""The side of a trailing band."""

import pytest

from tests.opinions import exposures, said

# Ranges of one candle: a band is so far from the close as the close moved.
FALL = [100.0, 101.0, 102.0, 103.0, 90.0, 89.0]


def test_it_turns_when_a_close_is_beyond_the_band():
    """Up with the rise, down with the fall through the band that followed it."""
    assert exposures("supertrend", FALL, period=1, multiple=2.0) == [1.0, 1.0, 1.0, -1.0, -1.0]
    assert exposures("supertrend", FALL, period=1, multiple=2.0, side="long_only") == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_confidence_is_the_distance_from_the_band():
    """101 with a band at 99: 2.02 % of 5 %."""
    found = said("supertrend", FALL[:2], period=1, multiple=2.0)
    assert found["supertrend"].to_list() == [99.0]
    assert found["confidence"].to_list() == [pytest.approx((101 / 99 - 1) / 0.05)]
