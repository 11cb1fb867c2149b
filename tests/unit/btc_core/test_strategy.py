"""What holds for every strategy: it keeps to the range, needs what it says, and has words for people."""

from datetime import UTC, datetime

import polars as pl
import pytest

from btc_core.decide import evaluate
from btc_core.errors import UnknownNameError
from btc_core.model.interval import parse_interval
from btc_core.plugins import plugin_names
from btc_core.strategy import load_strategy
from tests.derivation import candles_of_closes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = parse_interval("1h")
EVERY_STRATEGY = pytest.mark.parametrize("name", plugin_names("btc_core.strategies"))


def candles(n):
    """Return candles whose closes go up and down."""
    return candles_of_closes([100.0 + (k * 7) % 13 for k in range(n)], HOUR, START)


@EVERY_STRATEGY
def test_its_opinions_stay_in_range(name):
    """Wanted exposure in [-1, 1] or null, confidence in [0, 1] and never null."""
    strategy = load_strategy(name, {})
    evaluated = evaluate(candles(strategy.look_back + 100), strategy, HOUR)
    assert evaluated.height == 100
    assert evaluated["wanted"].drop_nulls().is_between(-1, 1).all()
    assert evaluated["confidence"].is_between(0, 1).all()
    assert evaluated["confidence"].null_count() == 0


@EVERY_STRATEGY
def test_an_opinion_needs_no_more_than_the_look_back(name):
    """The same with all of history and with the look-back alone."""
    strategy = load_strategy(name, {})
    whole = candles(strategy.look_back + 50)
    window = whole[-1 - strategy.look_back :]
    assert evaluate(window, strategy, HOUR).equals(evaluate(whole, strategy, HOUR)[-1:])


@EVERY_STRATEGY
def test_it_describes_itself(name):
    """A sentence for people, a meaning for each parameter."""
    rule = load_strategy(name, {}).rule
    assert rule.description.endswith(".")
    assert all(parameter.meaning for parameter in rule.parameters.values())


def test_a_fixed_parameter_is_no_parameter_any_more():
    """It is set for good: neither shown nor taken."""
    fixed = load_strategy("ma", {}).rule.fixed(description="Fixed.", period=7)
    assert (fixed.description, dict(fixed.parameters)) == ("Fixed.", {})
    assert [indicator.parameters for indicator in fixed.indicators({})] == [{"period": 7}]
    with pytest.raises(UnknownNameError):
        load_strategy("ma44", {"period": 7})


def test_an_unknown_strategy_leads_to_the_right_one():
    """As every unknown name does."""
    with pytest.raises(UnknownNameError, match="Did you mean"):
        load_strategy("ma4", {})


def test_a_strategy_without_indicators_looks_at_its_candle_alone():
    """Nothing to look back at."""
    rule = load_strategy("ma", {}).rule
    plain = type(rule)(
        description="Buys.",
        parameters={},
        indicators=lambda _: [],
        wanted=lambda _: pl.lit(1.0),
        confidence=lambda _: pl.lit(1.0),
    )
    assert type(load_strategy("ma", {}))("mine", plain, {}).look_back == 0
