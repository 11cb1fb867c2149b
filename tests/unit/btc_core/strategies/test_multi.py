"""A vote, and the day's trend above it."""

from datetime import UTC, datetime, timedelta

from btc_core.decide import evaluate, take_positions
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.strategy import load_strategy
from tests.derivation import candles_of_closes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR, DAY = parse_interval("1h"), parse_interval("1d")
UP, DOWN, FLAT = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]
ALONE = {"ma_cross": 0, "macd_trend": 0, "supertrend": 0, "days": 2}


def said(closes, tide, **parameters):
    """Return positions over 45 hours from 2025 on; the last of the three days ends within them."""
    hours = candles_of_closes([100.0] * 43 + closes, HOUR, START)
    others = {DAY: candles_of_closes(tide, DAY, START - timedelta(days=2))}
    return take_positions(evaluate(hours, load_strategy("multi", parameters), HOUR, others), before=0.0)


def test_it_enters_with_the_days_trend_alone():
    """The price is above its mean, then below: long on an upward day, short on a downward one, else flat."""
    assert said([101.0, 99.0], UP, **ALONE)["exposure"].to_list() == [1.0, 0.0]
    assert said([101.0, 99.0], DOWN, **ALONE)["exposure"].to_list() == [0.0, -1.0]


def test_a_day_at_its_mean_has_no_trend():
    """No entry, and what is held stays until the vote turns."""
    assert said([101.0, 99.0], FLAT, **ALONE)["exposure"].to_list() == [0.0, 0.0]


def test_the_vote_is_the_weighted_mean():
    """After a jump and a fall back, the price is above its mean, and the Supertrend has turned: three against one."""
    found = said([110.0, 105.0], UP, **{**ALONE, "ma": 3, "supertrend": 1})
    assert found["confidence"].to_list() == [1.0, 0.5]
    assert said([110.0, 105.0], UP, days=2)["confidence"].to_list() == [1.0, 0.5]


def test_an_entry_takes_more_than_the_share_that_must_agree():
    """At the share itself there is no entry (law 12); what is held stays while the vote is on its side."""
    votes = {**ALONE, "ma": 3, "supertrend": 1}
    assert said([110.0, 105.0], UP, agree=0.4, **votes)["wanted"].to_list() == [1.0, 1.0]
    at_the_share = said([110.0, 105.0], UP, agree=0.5, **votes)
    assert at_the_share["wanted"].to_list() == [1.0, None]
    assert at_the_share["exposure"].to_list() == [1.0, 1.0]


def test_a_vote_that_cancels_out_is_a_tie():
    """0.1 + 0.2 - 0.3 is not 0 to a float (law 12): nothing ends a long, and nothing is entered."""
    votes = {"ma": 0.1, "ma_cross": 0.2, "macd_trend": 0, "supertrend": 0.3, "days": 2}
    found = said([110.0, 105.0], UP, agree=0, **votes)
    assert found["exposure"].to_list() == [1.0, 1.0]
    assert found["wanted"].to_list() == [1.0, None]


def test_without_weights_it_never_enters():
    """Nobody votes."""
    found = said([110.0, 90.0], UP, ma=0, **ALONE)
    assert found["exposure"].to_list() == [0.0, 0.0]
    assert found["confidence"].to_list() == [0.0, 0.0]


def test_one_side_alone():
    """Flat in place of a short."""
    assert said([101.0, 99.0], DOWN, side="long_only", **ALONE)["exposure"].to_list() == [0.0, 0.0]


def test_it_needs_what_its_members_need():
    """Their indicators on its own candles, and the mean of days."""
    strategy = load_strategy("multi", {})
    assert [each.name for each in strategy.indicators] == ["ma44", "ma10", "ma20", "macd", "supertrend"]
    assert (strategy.look_back_in(ONE_MINUTE), strategy.look_back_at(DAY), strategy.warm_up) == (1053, 43, 43)
    assert strategy.columns[-2:] == ["1d.close", "1d.trend"]
