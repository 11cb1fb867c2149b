"""Wilder's average true range: the same as other people's."""

import talib

from tests.indicators import arrays, differs, made_candles, skender, values


def test_it_equals_the_published_values():
    """ATR(14) of SPY as Stock.Indicators publishes it, from the first value on, to 1e-9."""
    published = skender()
    assert differs(values("atr", published, period=14)["atr"], published["atr14"]) < 1e-9


def test_it_agrees_with_talib():
    """To 1e-9, with the same warm-up and the same seed."""
    candles, prices = made_candles(3000), arrays(made_candles(3000))
    for period in (2, 14, 100):
        theirs = talib.ATR(prices["high"], prices["low"], prices["close"], period)
        assert differs(values("atr", candles, period=period)["atr"], theirs) < 1e-9


def test_a_range_reaches_to_the_close_before():
    """Of one range, it is the true range itself: a jump counts though the candles are small."""
    candles = made_candles(400)
    prices = arrays(candles)
    theirs = talib.TRANGE(prices["high"], prices["low"], prices["close"])
    assert differs(values("atr", candles, period=1)["atr"], theirs) == 0
