"""Wilder's average directional index: the same as other people's once their seeds are forgotten."""

import talib

from tests.indicators import arrays, candles_of, differs, made_candles, skender, skender_last, values


def test_it_equals_the_published_values():
    """ADX(14) of SPY as Stock.Indicators publishes it, the last four days, to 1e-9."""
    found = values("adx", skender(), period=14)
    for name in found.columns:
        assert differs(found[name][-4:], skender_last(name.replace("adx", "adx14"))) < 1e-9


def test_it_agrees_with_talib():
    """To 1e-9 once TA-Lib's seed of one value fewer is forgotten."""
    candles = made_candles(6000)
    prices = arrays(candles)
    for period in (2, 14, 40):
        found = values("adx", candles, period=period)
        for name, function in (("adx", talib.ADX), ("adx.plus", talib.PLUS_DI), ("adx.minus", talib.MINUS_DI)):
            theirs = function(prices["high"], prices["low"], prices["close"], period)
            assert differs(found[name], theirs, after=80 * period, scale=1.0) < 1e-9


def test_a_price_that_stands_still_goes_nowhere():
    """All three are 0, not missing: the means go on."""
    found = values("adx", candles_of([5.0] * 40), period=3)
    assert {value for name in found.columns for value in found[name].drop_nulls()} == {0.0}
    assert found["adx"].null_count() == 5


def test_a_price_that_only_rises_goes_one_way():
    """Each candle a step higher: all of the range is upward movement."""
    found = values("adx", candles_of([float(n) for n in range(1, 41)]), period=3)
    assert found[-1].row(0) == (100.0, 100.0, 0.0)
