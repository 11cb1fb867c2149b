"""What holds for every strategy: it keeps to the range, needs what it says, and has words for people."""

import re
from pathlib import Path

import polars as pl
import pytest

from btc_core.errors import UnknownNameError
from btc_core.lookahead import market_for
from btc_core.model.interval import parse_interval
from btc_core.plugins import plugin_names
from btc_core.strategy import NamedStrategy, load_strategy

HOUR = parse_interval("1h")
EVERY_STRATEGY = pytest.mark.parametrize("name", plugin_names("btc_core.strategies"))


@EVERY_STRATEGY
def test_its_opinions_stay_in_range(name):
    """Wanted exposure in [-1, 1] or null, confidence in [0, 1] and never null."""
    strategy = load_strategy(name, {})
    evaluated = market_for(strategy, HOUR).said(strategy)
    assert evaluated.height > 300
    assert evaluated["wanted"].drop_nulls().is_between(-1, 1).all()
    assert evaluated["confidence"].is_between(0, 1).all()
    assert evaluated["confidence"].null_count() == 0


@EVERY_STRATEGY
def test_an_opinion_needs_no_more_than_the_look_back(name):
    """The same with all of history and with the look-back alone."""
    strategy = load_strategy(name, {})
    market = market_for(strategy, HOUR)
    window = market.from_(market.candles.height - 1 - strategy.look_back_in(HOUR))
    assert window.seen(strategy)[-1:].equals(market.seen(strategy)[-1:])


@EVERY_STRATEGY
def test_it_describes_itself(name):
    """A sentence for people, a meaning for each parameter."""
    rule = load_strategy(name, {}).rule
    assert rule.description.endswith(".")
    assert all(parameter.meaning for parameter in rule.parameters.values())


def test_a_fixed_parameter_is_no_parameter_any_more():
    """It is set for good: neither shown nor taken; with its bounds and its own look-back."""
    fixed = load_strategy("ma", {}).rule.fixed(description="Fixed.", period=7, side=0)
    assert (fixed.description, dict(fixed.parameters)) == ("Fixed.", {})
    assert [indicator.parameters for indicator in fixed.indicators({})] == [{"period": 7}]
    with pytest.raises(UnknownNameError):
        load_strategy("ma44", {"period": 7})
    channel = load_strategy("donchian", {}).rule.fixed(description="Fixed.", entry=2, exit=1, side=0)
    assert set(NamedStrategy("fixed", channel, {}).opinion()) == {"wanted", "confidence", "at_least", "at_most"}
    assert NamedStrategy("fixed", channel, {}).look_back_in(HOUR) == 2


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
    assert type(load_strategy("ma", {}))("mine", plain, {}).look_back_in(HOUR) == 0


def test_every_strategy_is_in_the_table_of_its_page():
    """``docs/strategies.md``: parameters and ranges, warm-up and look-back as the code has them."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "strategies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M)
    assert [name for name, _ in rows] == list(plugin_names("btc_core.strategies"))
    for name, cells in rows:
        strategy = load_strategy(name, {})
        known = strategy.rule.parameters.items()
        parameters = [f"{key} {one.default:.10g} ({_shown(one.low)} to {_shown(one.high)})" for key, one in known]
        needed = [f"{strategy.warm_up:,}", f"{strategy.look_back_in(parse_interval('37m')):,}"]
        assert cells.split(" | ")[:3] == [", ".join(parameters) or "none", *needed], name


def _shown(number):
    """Return a number as the table has it: thousands apart, but not those of a day (20240101)."""
    return f"{number:.10g}" if number > 1_000_000 else f"{number:,.10g}"
