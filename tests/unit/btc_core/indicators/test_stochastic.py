"""The stochastic oscillator: the same as other people's, and null where there is no range."""

import pytest
import talib

from tests.indicators import arrays, candles_of, differs, made_candles, skender, skender_last, values


def test_it_equals_the_published_values():
    """Stochastic(14, 3, 3) of SPY as Stock.Indicators publishes it, the last four days, to 1e-9."""
    found = values("stochastic", skender())
    for name in found.columns:
        assert differs(found[name][-4:], skender_last(name.replace("stochastic", "stochastic14"))) < 1e-9


@pytest.mark.parametrize(("period", "smooth", "signal"), [(14, 3, 3), (5, 1, 4), (60, 10, 2)])
def test_it_agrees_with_talib(period, smooth, signal):
    """To 1e-9 of the scale, with the same warm-up."""
    candles = made_candles(3000, flat=0.0)
    prices = arrays(candles)
    theirs = talib.STOCH(prices["high"], prices["low"], prices["close"], period, smooth, 0, signal, 0)
    found = values("stochastic", candles, period=period, smooth=smooth, signal=signal)
    for ours, reference in zip(found, theirs, strict=True):
        assert differs(ours, reference, scale=1.0) < 1e-9


def test_the_ends_of_the_range_are_the_ends_of_the_scale():
    """Closes at the top, at the bottom, and at a price that stands still."""
    found = values("stochastic", candles_of([1.0, 2.0, 3.0, 1.0, 1.0, 1.0]), period=2, smooth=1, signal=1)
    assert found["stochastic"].to_list() == [None, 100.0, 100.0, 0.0, None, None]
    assert found["stochastic.signal"].to_list() == found["stochastic"].to_list()
