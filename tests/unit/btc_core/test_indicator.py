"""What holds for every indicator: warm-up, windows, names."""

from datetime import UTC, datetime

import polars as pl
import pytest

from btc_core.config import IndicatorConfig
from btc_core.errors import InputError, UnknownNameError
from btc_core.indicator import Indicator, configured_indicator, load_indicator, with_indicators
from btc_core.model.interval import parse_interval
from btc_core.plugins import plugin_names
from tests.derivation import candles_of_closes

START = datetime(2025, 1, 1, tzinfo=UTC)
EVERY_INDICATOR = pytest.mark.parametrize("function", plugin_names("btc_core.indicators"))


def candles(n):
    """Return candles whose closes go up and down."""
    return candles_of_closes([100.0 + (k * 7) % 13 for k in range(n)], parse_interval("1h"), START)


def configured(function, **parameters):
    """Return an indicator as ``config.yaml`` would have it."""
    return configured_indicator("mine", IndicatorConfig(function=function, intervals=("1h",), parameters=parameters))


@EVERY_INDICATOR
def test_the_warm_up_is_the_look_back(function):
    """As many first values are null as the look-back says, and none after."""
    indicator = configured(function)
    found = with_indicators(candles(indicator.look_back + 20), [indicator])
    for name in indicator.columns():
        assert found[name].is_null().to_list() == [True] * indicator.look_back + [False] * 20


@EVERY_INDICATOR
def test_a_value_needs_no_more_than_the_look_back(function):
    """The bits are the same with all of history and with the look-back alone (law 5)."""
    indicator = configured(function)
    whole = with_indicators(candles(indicator.look_back + 50), [indicator])
    for end in (indicator.look_back + 1, indicator.look_back + 33):
        window = candles(indicator.look_back + 50)[end - 1 - indicator.look_back : end]
        assert with_indicators(window, [indicator])[-1].equals(whole[end - 1 : end])


@EVERY_INDICATOR
def test_every_parameter_has_a_meaning_and_a_default_in_range(function):
    """What ``btc indicators`` shows."""
    indicator = load_indicator(function)
    assert isinstance(indicator, Indicator)
    for parameter in indicator.parameters.values():
        assert parameter.meaning
        assert parameter.low <= parameter.default <= parameter.high


def test_values_have_the_configured_name():
    """The entry's name, not the function's."""
    found = with_indicators(candles(5), [configured("sma", period=2)])
    assert found.columns == [*candles(1).columns, "mine"]
    assert found.schema["mine"] == pl.Float64


def test_what_does_not_exist_is_named():
    """A wrong function, parameter or value is an error that a person can mend."""
    with pytest.raises(UnknownNameError, match=r"smma.*sma"):
        configured("smma")
    with pytest.raises(UnknownNameError, match=r"perod.*period"):
        configured("sma", perod=3)
    with pytest.raises(InputError, match="indicator mine: period=0 is out of range"):
        configured("sma", period=0)
