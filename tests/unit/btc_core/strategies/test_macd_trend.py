"""MACD against its signal line."""

from tests.opinions import exposures, said


def test_it_follows_the_side_of_the_signal():
    """EMAs of 1 and 2 candles, signal of 2: up while a rise grows, down while it slows."""
    closes = [10.0, 10.0, 10.0, 11.0, 14.0, 14.0, 13.0]
    assert exposures("macd_trend", closes, fast=1, slow=2, signal=2) == [0.0, 1.0, 1.0, -1.0, -1.0]


def test_flat_prices_are_a_tie():
    """Both lines are 0: the position stays, and there is no confidence."""
    found = said("macd_trend", [10.0] * 40)
    assert set(found["wanted"]) == {None}
    assert set(found["confidence"]) == {0.0}


def test_one_side_alone():
    """Flat in place of a short."""
    closes = [10.0, 10.0, 10.0, 11.0, 14.0, 14.0, 13.0]
    assert exposures("macd_trend", closes, fast=1, slow=2, signal=2, side="long_only")[-1] == 0.0
