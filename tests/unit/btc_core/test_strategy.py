"""A strategy with its parameters filled in."""

import polars as pl
import pytest

from btc_core.errors import InputError, UnknownNameError
from btc_core.strategy import load_strategy


def test_parameters_are_checked_when_it_is_loaded():
    """Unknown strategies and parameters, and values out of range, are sentences."""
    with pytest.raises(UnknownNameError, match="unknown strategy 'macd'"):
        load_strategy("macd", {})
    with pytest.raises(UnknownNameError, match="'length'"):
        load_strategy("ma", {"length": 9})
    with pytest.raises(InputError, match="period=1 is out of range"):
        load_strategy("ma", {"period": 1})


def test_it_looks_back_as_far_as_its_indicators():
    """A mean of 9 closes depends on 8 candles before the present one."""
    assert load_strategy("ma", {"period": 9}).look_back == 8


def test_a_fixed_parameter_is_no_parameter_any_more():
    """``ma44`` is ``ma`` with a period of 44: the same rule, and nothing to tune."""
    fixed, free = load_strategy("ma44", {}), load_strategy("ma", {"period": 44})
    assert dict(fixed.parameters) == {}
    assert fixed.indicators == free.indicators
    assert fixed.rule.wanted(fixed.parameters).meta.eq(free.rule.wanted(free.parameters))
    with pytest.raises(UnknownNameError):
        load_strategy("ma44", {"period": 9})


def test_the_free_rule_is_untouched_by_the_fixed_one():
    """Fixing makes a new strategy: ``ma`` still has its parameter."""
    load_strategy("ma125", {})
    assert load_strategy("ma", {}).parameters == {"period": 44}
    assert isinstance(load_strategy("ma", {}).rule.wanted({"period": 44}), pl.Expr)
