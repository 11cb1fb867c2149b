"""The rate of change: a fraction."""

import talib

from tests.indicators import arrays, candles_of, differs, made_candles, skender, skender_last, values


def test_it_equals_the_published_values():
    """ROC(14) of SPY as Stock.Indicators publishes it in percent, to 1e-9."""
    found = values("roc", skender(), period=14)["roc"] * 100
    assert differs(found[-4:], skender_last("roc14 (percent)")) < 1e-9


def test_it_agrees_with_talib():
    """ROCP, with the same warm-up, to 1e-9 of a percent."""
    candles = made_candles(2000)
    for period in (1, 12, 500):
        theirs = talib.ROCP(arrays(candles)["close"], period)
        assert differs(values("roc", candles, period=period)["roc"], theirs, scale=0.01) < 1e-9


def test_a_known_case():
    """Doubled is 1, halved is -0.5, the same is 0."""
    assert values("roc", candles_of([1.0, 2.0, 1.0, 1.0]), period=1)["roc"].to_list() == [None, 1.0, -0.5, 0.0]
