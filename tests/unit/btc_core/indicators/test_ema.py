"""The exponential moving average: the same as other people's."""

import talib

from tests.indicators import arrays, candles_of, differs, made_candles, skender, values


def test_it_equals_the_published_values():
    """EMA(20) of SPY as Stock.Indicators publishes it, from the first value on, to 1e-9."""
    published = skender()
    assert differs(values("ema", published, period=20)["ema"], published["ema20"]) < 1e-9


def test_it_agrees_with_talib():
    """To 1e-9, with the same warm-up and the same seed."""
    candles = made_candles(3000)
    for period in (2, 12, 100):
        theirs = talib.EMA(arrays(candles)["close"], period)
        assert differs(values("ema", candles, period=period)["ema"], theirs) < 1e-9


def test_a_known_case():
    """Three closes: their mean first, then half of the way to each next close."""
    assert values("ema", candles_of([1.0, 2.0, 6.0, 7.0, 1.0]), period=3)["ema"].to_list() == [
        None,
        None,
        3.0,
        5.0,
        3.0,
    ]


def test_of_one_candle_it_is_the_close():
    """To the bit."""
    candles = made_candles(50)
    assert values("ema", candles, period=1)["ema"].to_list() == candles["close"].to_list()
