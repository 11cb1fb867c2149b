"""Price against its mean: long above, short below, nothing at equality."""

from datetime import UTC, datetime

import pytest

from btc_core.decide import evaluate
from btc_core.model.interval import parse_interval
from btc_core.strategy import load_strategy
from tests.derivation import candles_of_closes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = parse_interval("1h")


def opinions(closes, period=3):
    """Return wanted exposure and confidence at each candle."""
    return evaluate(candles_of_closes(closes, HOUR, START), load_strategy("ma", {"period": period}), HOUR)


@pytest.mark.parametrize(("last", "wanted"), [(100.03, 1.0), (99.97, -1.0), (100.0, None)])
def test_it_follows_the_side_of_the_mean(last, wanted):
    """Two candles at 100, and the last one above, below or at it."""
    assert opinions([100.0, 100.0, last])["wanted"].to_list() == [wanted]


def test_a_tie_of_unequal_closes_is_a_tie():
    """0.1, 0.3 and 0.2 have the mean 0.2; floats would say otherwise."""
    assert (0.1 + 0.3 + 0.2) / 3 != 0.2
    assert opinions([0.1, 0.3, 0.2])["wanted"].to_list() == [None]


@pytest.mark.parametrize(("distance", "confidence"), [(0.0, 0.0), (0.01, 0.5), (0.02, 1.0), (0.5, 1.0), (-0.01, 0.5)])
def test_confidence_grows_with_the_distance(distance, confidence):
    """It is 1 from 2 % on, to both sides."""
    # The last close of two stands so far from their mean when it is (1 + d) / (1 - d) of the first.
    last = round(100.0 * (1 + distance) / (1 - distance), 6)
    assert opinions([100.0, last], period=2)["confidence"].to_list() == [pytest.approx(confidence, abs=1e-6)]


@pytest.mark.parametrize("period", [2, 44, 1000])
def test_it_needs_its_average(period):
    """One indicator, named after its period."""
    strategy = load_strategy("ma", {"period": period})
    assert [indicator.name for indicator in strategy.indicators] == [f"ma{period}"]
    assert strategy.look_back_in(HOUR) == period - 1


@pytest.mark.parametrize(
    ("side", "wanted"), [("long_short", [1.0, -1.0]), ("long_only", [1.0, 0.0]), ("short_only", [0.0, -1.0])]
)
def test_one_side_alone(side, wanted):
    """Flat in place of the other."""
    strategy = load_strategy("ma", {"period": 2, "side": side})
    assert evaluate(candles_of_closes([10.0, 11.0, 10.0], HOUR, START), strategy, HOUR)["wanted"].to_list() == wanted
