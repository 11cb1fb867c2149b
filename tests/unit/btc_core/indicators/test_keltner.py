"""The Keltner channel: the same as other people's."""

import talib

from tests.indicators import arrays, configured, differs, made_candles, skender, skender_last, values


def test_it_equals_the_published_values():
    """Keltner(20, 2, 10) of SPY as Stock.Indicators publishes it, the last four days, to 1e-9."""
    found = values("keltner", skender())
    for name in found.columns:
        assert differs(found[name][-4:], skender_last(name.replace("keltner", "keltner20"))) < 1e-9


def test_it_agrees_with_talib():
    """Its average and its ranges put together, to 1e-9, from the first value on."""
    candles = made_candles(2000)
    prices = arrays(candles)
    found = values("keltner", candles, period=30, atr_period=12, multiple=1.5)
    middle, ranges = talib.EMA(prices["close"], 30), talib.ATR(prices["high"], prices["low"], prices["close"], 12)
    for name, theirs in ((".upper", middle + 1.5 * ranges), ("", middle), (".lower", middle - 1.5 * ranges)):
        assert differs(found["keltner" + name], theirs) < 1e-9


def test_it_waits_for_the_slower_of_its_two():
    """The channel appears whole."""
    assert configured("keltner", period=5, atr_period=12).warm_up == 12
    assert configured("keltner", period=15, atr_period=12).warm_up == 14
