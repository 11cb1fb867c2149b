"""Bollinger bands: the same as other people's, exact, and of the population's deviation."""

import pytest
import talib

from tests.indicators import arrays, candles_of, differs, made_candles, skender, stockcharts, values


def test_it_equals_the_published_values():
    """Bollinger(20, 2) of SPY as Stock.Indicators publishes it, to 1e-9."""
    published = skender()
    found = values("bollinger", published)
    for side in (".upper", ".lower"):
        assert differs(found["bollinger" + side], published["bollinger20" + side]) < 1e-9


def test_it_equals_the_worked_example():
    """StockCharts' sheet, to its six decimals."""
    closes, *published = zip(*stockcharts("bollinger20"), strict=True)
    found = values("bollinger", candles_of(closes))
    for ours, theirs in zip(found, published, strict=True):
        for value, reference in zip(ours, theirs, strict=True):
            assert value == (None if reference is None else pytest.approx(reference, abs=2e-6))


def test_it_agrees_with_talib():
    """To 1e-9, with the same warm-up."""
    candles = made_candles(3000)
    for period, deviations in ((20, 2.0), (2, 0.5), (300, 3.0)):
        upper, middle, lower = talib.BBANDS(arrays(candles)["close"], period, deviations, deviations)
        found = values("bollinger", candles, period=period, deviations=deviations)
        for ours, theirs in zip(found, (middle, upper, lower), strict=True):
            assert differs(ours, theirs) < 1e-9


def test_a_flat_price_has_no_bands_around_it():
    """All three lines are the price, to the bit (law 12)."""
    found = values("bollinger", candles_of([0.3] * 30))
    assert {value for name in found.columns for value in found[name].drop_nulls()} == {0.3}
