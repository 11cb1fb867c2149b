"""MACD: the same as other people's, and its three outputs fit together."""

import pytest
import talib

from tests.indicators import arrays, candles_of, configured, differs, made_candles, skender, stockcharts, values


def test_it_equals_the_published_values():
    """MACD(12, 26, 9) of SPY as Stock.Indicators publishes it, to 1e-9 of the price; the line waits for its signal."""
    published = skender()
    found = values("macd", published, fast=12, slow=26, signal=9)
    for name in ("macd", "macd.signal", "macd.histogram"):
        assert differs(found[name], published[name], after=33, scale=1.0) < 1e-9
        assert found[name].null_count() == 33
    assert published["macd.signal"].null_count() == 33


def test_it_equals_the_worked_example():
    """StockCharts' sheet, to its digits; its averages begin at rest, so ours get a flat past."""
    closes, lines, signals = zip(*stockcharts("macd"), strict=True)
    found = values("macd", candles_of([closes[0]] * 900 + list(closes)))[900:]
    for ours, theirs in zip(found["macd"], lines, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-8) if theirs is not None else ours == 0
    assert found["macd.signal"][110:].to_list() == pytest.approx(signals[110:], abs=1e-8)


def test_it_agrees_with_talib():
    """To 1e-9 of the price, once TA-Lib's later start of the fast average is forgotten."""
    candles = made_candles(3000)
    for fast, slow, signal in ((12, 26, 9), (5, 35, 5)):
        theirs = talib.MACD(arrays(candles)["close"], fast, slow, signal)
        found = values("macd", candles, fast=fast, slow=slow, signal=signal)
        for ours, reference in zip(found, theirs, strict=True):
            assert differs(ours, reference, after=700, scale=1000.0) < 1e-9


def test_the_outputs_have_the_names_of_the_contract():
    """The line, its signal, and the difference of the two."""
    found = values("macd", made_candles(200))
    assert found.columns == ["macd", "macd.signal", "macd.histogram"]
    assert (found["macd"] - found["macd.signal"]).equals(found["macd.histogram"].alias("macd"))
    assert configured("macd").warm_up == 33
