"""The z-score: the same as other people's, 0 at a tie, null where nothing moved."""

import talib

from tests.indicators import arrays, candles_of, differs, made_candles, skender, skender_last, values


def test_it_equals_the_published_values():
    """z-scores of SPY as Stock.Indicators publishes them, over 20 candles whole and over 14 the last four days."""
    published = skender()
    assert differs(values("zscore", published, period=20)["zscore"], published["zscore20"], scale=1e-3) < 1e-9
    assert differs(values("zscore", published, period=14)["zscore"][-4:], skender_last("zscore14")) < 1e-9


def test_it_agrees_with_talib():
    """TA-Lib's mean and population deviation put together, where its own running sums are good enough: 1e-6."""
    candles = made_candles(3000, flat=0.0)
    close = arrays(candles)["close"]
    for period in (10, 20, 300):
        theirs = (close - talib.SMA(close, period)) / talib.STDDEV(close, period)
        assert differs(values("zscore", candles, period=period)["zscore"], theirs, scale=1.0) < 1e-6


def test_a_tie_is_zero_and_a_flat_window_has_none():
    """Exactly (law 12)."""
    found = values("zscore", candles_of([0.1, 0.3, 0.2, 0.2, 0.2, 0.2]), period=3)["zscore"]
    assert found.to_list()[2:4] == [0.0, found[3]]
    assert found.to_list()[:2] == [None, None]
    assert found.to_list()[4:] == [None, None]
