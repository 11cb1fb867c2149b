"""The Donchian channel: exact copies of prices."""

import talib

from tests.indicators import arrays, differs, made_candles, skender, skender_last, values


def test_it_equals_the_published_values():
    """Donchian(20) of SPY as Stock.Indicators publishes it, which is ours of the candle before, to the bit."""
    found = values("donchian", skender())
    for name in found.columns:
        assert differs(found[name].shift(1)[-4:], skender_last(name.replace("donchian", "donchian20"))) < 1e-15


def test_it_agrees_with_talib():
    """To the bit, with the same warm-up."""
    candles = made_candles(2000)
    prices = arrays(candles)
    for period in (2, 20, 500):
        found = values("donchian", candles, period=period)
        assert differs(found["donchian.upper"], talib.MAX(prices["high"], period)) == 0
        assert differs(found["donchian.lower"], talib.MIN(prices["low"], period)) == 0
        assert differs(found["donchian"], talib.MIDPRICE(prices["high"], prices["low"], period)) == 0
