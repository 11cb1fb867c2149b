"""Breakouts of a channel."""

from btc_core.model.interval import ONE_MINUTE
from btc_core.strategy import load_strategy
from tests.opinions import exposures, said


def test_it_opens_beyond_the_channel_before_and_ends_at_the_shorter_one():
    """Three candles to open, one to close: 12 is above 11; 11.5 is below the low before it, but above all three."""
    closes = [10.0, 11.0, 10.5, 12.0, 13.0, 11.5, 9.0]
    assert exposures("donchian", closes, entry=3, exit=1) == [1.0, 1.0, 0.0, -1.0]


def test_on_the_line_the_position_stays():
    """A close at the highest high before it is no breakout."""
    assert exposures("donchian", [10.0, 11.0, 10.0, 11.0, 11.0], entry=2, exit=2) == [0.0, 0.0, 0.0]


def test_it_looks_back_one_candle_more_than_its_channels():
    """At the lines as they were before its own candle."""
    strategy = load_strategy("donchian", {"entry": 20, "exit": 55})
    assert (strategy.look_back_in(ONE_MINUTE), strategy.warm_up) == (55, 55)


def test_one_side_alone():
    """Flat in place of a short."""
    assert exposures("donchian", [10.0, 11.0, 9.0], entry=1, exit=1, side="long_only") == [1.0, 0.0]


def test_confidence_is_the_distance_from_the_middle():
    """1 from a whole width on; 0 in a channel without one."""
    assert said("donchian", [10.0, 12.0, 12.0], entry=2, exit=1)["confidence"].to_list() == [0.5]
    assert said("donchian", [10.0, 10.0, 12.0], entry=2, exit=1)["confidence"].to_list() == [0.0]
