"""``ma``: long above the average, short below, at equality no opinion."""

import polars as pl

from btc_core.indicator import with_indicators
from btc_core.strategy import load_strategy


def opinions(closes, period):
    """Return wanted exposure and confidence at each close."""
    strategy = load_strategy("ma", {"period": period})
    frame = with_indicators(pl.DataFrame({"close": closes}), strategy.indicators)
    return frame.select(
        wanted=strategy.rule.wanted(strategy.parameters), confidence=strategy.rule.confidence(strategy.parameters)
    )


def test_above_long_below_short_equal_nothing():
    """Closes 10, 12, 10, 10 against the mean of two: above, below, and a tie that keeps the position."""
    assert opinions([10.0, 12.0, 10.0, 10.0], 2)["wanted"].to_list() == [None, 1.0, -1.0, None]


def test_a_tie_of_awkward_decimals_is_a_tie():
    """0.1, 0.3, 0.2 has the mean 0.2 exactly, though their float sum is not 0.6."""
    assert sum([0.1, 0.3, 0.2]) / 3 != 0.2
    assert opinions([0.1, 0.3, 0.2], 3)["wanted"].to_list() == [None, None, None]


def test_confidence_grows_with_the_distance_and_ends_at_one():
    """1 % from the average is half as sure as 2 %, and more than that is not surer."""
    near = opinions([100.0, 102.0202020202], 2)["confidence"][1]
    assert abs(near - 0.5) < 1e-6
    assert opinions([100.0, 150.0], 2)["confidence"][1] == 1.0
