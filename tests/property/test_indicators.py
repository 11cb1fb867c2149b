"""Laws 5, 6 and 11 for every indicator: neither a cut nor what comes later nor what came long ago shows in a value."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_core.indicator import NamedIndicator, load_indicator, with_indicators
from btc_core.model.interval import parse_interval
from btc_core.parameters import Number, Parameter
from btc_core.plugins import plugin_names
from tests.indicators import made_candles

EVERY_INDICATOR = pytest.mark.parametrize("function", plugin_names("btc_core.indicators"))
# Small ones, so that a made-up history is many look-backs long; the unit tests have the large ones.
LARGEST_WHOLE, LARGEST_FRACTION = 12, 3.0
LABELS = ("5m", "37m", "148m", "1d", "1w", "1M")


def numbers(parameter: Parameter) -> st.SearchStrategy[Number]:
    """Values of a parameter, in its range."""
    if isinstance(parameter.default, int):
        return st.integers(int(parameter.low), int(min(parameter.high, LARGEST_WHOLE)))
    return st.floats(parameter.low, min(parameter.high, LARGEST_FRACTION))


def indicators(function: str) -> st.SearchStrategy[NamedIndicator]:
    """An indicator with any parameters."""
    known = load_indicator(function).parameters
    drawn = st.fixed_dictionaries({name: numbers(parameter) for name, parameter in known.items()})
    return drawn.map(lambda parameters: NamedIndicator("mine", function, parameters))


def bits(candles: pl.DataFrame, indicator: NamedIndicator) -> pl.DataFrame:
    """Return an indicator's columns alone."""
    return with_indicators(candles, [indicator]).select(list(indicator.columns()))


@EVERY_INDICATOR
@given(
    data=st.data(), seed=st.integers(0, 2**32), label=st.sampled_from(LABELS), gaps=st.sampled_from([0.0, 0.02, 0.3])
)
@settings(max_examples=30)
def test_a_cut_does_not_show(function, data, seed, label, gaps):
    """Any piece of history with the look-back before it alone has the bits that it has in all of history (law 5)."""
    indicator, interval = data.draw(indicators(function)), parse_interval(label)
    look_back = indicator.look_back_in(interval)
    candles = made_candles(2 * look_back + 1500, seed=seed, interval=interval, gaps=gaps)
    whole = bits(candles, indicator)
    for _ in range(4):
        start = data.draw(st.integers(look_back, candles.height - 1))
        end = data.draw(st.integers(start + 1, candles.height))
        piece = bits(candles[start - look_back : end], indicator)
        assert piece[look_back:].equals(whole[start:end])


@EVERY_INDICATOR
@given(data=st.data(), seed=st.integers(0, 2**32), label=st.sampled_from(LABELS))
@settings(max_examples=15)
def test_later_candles_change_no_value(function, data, seed, label):
    """Other candles, more of them or none after a candle: all values up to it stay as they are (law 6)."""
    indicator, interval = data.draw(indicators(function)), parse_interval(label)
    candles = made_candles(600, seed=seed, interval=interval)
    others = made_candles(600, seed=seed + 1, interval=interval, flat=0.5)
    whole = bits(candles, indicator)
    cut = data.draw(st.integers(1, candles.height - 1))
    assert bits(candles[:cut], indicator).equals(whole[:cut])
    assert bits(pl.concat([candles[:cut], others[cut:]]), indicator)[:cut].equals(whole[:cut])


@EVERY_INDICATOR
@given(data=st.data(), seed=st.integers(0, 2**32), flat=st.sampled_from([0.0, 0.1, 0.9, 1.0]))
@settings(max_examples=15)
def test_the_warm_up_is_what_it_says(function, data, seed, flat):
    """As many first values are null as stated; where the price moves, none is after; never a NaN or an infinity."""
    indicator = data.draw(indicators(function))
    candles = made_candles(indicator.warm_up + 200, seed=seed, flat=flat, interval=parse_interval("8h"))
    found = bits(candles, indicator)
    for name in indicator.columns():
        assert found[name].dtype == pl.Float64
        assert found[name][: indicator.warm_up].null_count() == indicator.warm_up
        assert found[name].drop_nulls().is_finite().all()
        if flat == 0.0:
            assert found[name][indicator.warm_up :].null_count() == 0
