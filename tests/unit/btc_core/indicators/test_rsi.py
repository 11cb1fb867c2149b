"""Wilder's relative strength index: the same as other people's, and null where nothing moved."""

import pytest
import talib

from tests.indicators import arrays, candles_of, differs, made_candles, skender, stockcharts, values


def test_it_equals_the_published_values():
    """RSI(14) of SPY as Stock.Indicators publishes it, from the first value on, to 1e-9."""
    published = skender()
    assert differs(values("rsi", published, period=14)["rsi"], published["rsi14"]) < 1e-9


def test_it_equals_the_worked_example():
    """StockCharts' sheet, to its six decimals; its means begin at rest, so ours get a flat past."""
    closes, published = zip(*stockcharts("rsi14"), strict=True)
    found = values("rsi", candles_of([closes[0]] * 500 + list(closes)), period=14)["rsi"][500:].to_list()
    compared = [(ours, theirs) for ours, theirs in zip(found, published, strict=True) if theirs is not None]
    assert len(compared) == 19
    for ours, theirs in compared:
        assert ours == pytest.approx(theirs, abs=2e-6)


def test_it_agrees_with_talib():
    """To 1e-9, with the same warm-up and the same seed."""
    candles = made_candles(3000)
    for period in (2, 14, 60):
        theirs = talib.RSI(arrays(candles)["close"], period)
        assert differs(values("rsi", candles, period=period)["rsi"], theirs) < 1e-9


def test_one_way_is_an_end_of_the_scale():
    """Rises alone are 100, falls alone 0, nothing at all has no strength."""
    up, down = [float(n) for n in range(1, 11)], [float(n) for n in range(10, 0, -1)]
    assert values("rsi", candles_of(up), period=3)["rsi"].to_list() == [None] * 3 + [100.0] * 7
    assert values("rsi", candles_of(down), period=3)["rsi"].to_list() == [None] * 3 + [0.0] * 7
    assert values("rsi", candles_of([5.0] * 10), period=3)["rsi"].to_list() == [None] * 10
