"""The simple moving average: exact sums, exact ties, the same as other people's (law 12)."""

import json
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from btc_core.indicators.sma import INDICATOR, sma
from btc_core.ticks import with_ticks

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "skender_spy_sma20.json"


def means(closes, period):
    """Return the average as a list."""
    frame = with_ticks(pl.DataFrame({"close": closes}, schema={"close": pl.Float64}))
    return frame.select(sma(period=period)).to_series().to_list()


def test_it_equals_the_published_values():
    """SMA(20) of SPY as Stock.Indicators publishes it, to 1e-9."""
    closes, published = zip(*json.loads(GOLDEN.read_text(encoding="utf-8"))["close_sma20"], strict=True)
    found = means(closes, 20)
    assert found[:19] == [None] * 19 == list(published[:19])
    assert found[19:] == pytest.approx(published[19:], rel=1e-9, abs=0)
    assert len(found) == 502


@given(cents=st.lists(st.integers(1, 10_000_000), min_size=1, max_size=300), period=st.integers(1, 60))
def test_it_is_the_exact_mean_and_ties_are_ties(cents, period):
    """Compared with fractions: the sign of close minus mean is right for every candle, and the mean to the last bit."""
    closes = [n / 100 for n in cents]
    for i, found in enumerate(means(closes, period)):
        if i < period - 1:
            assert found is None
            continue
        exact = Fraction(sum(cents[i - period + 1 : i + 1]), 100 * period)
        close = Fraction(cents[i], 100)
        assert (closes[i] > found, closes[i] < found) == (close > exact, close < exact)
        assert found == pytest.approx(float(exact), rel=2**-52, abs=0)


@given(
    close=st.integers(1, 10_000_000),
    others=st.lists(st.integers(-1000, 1000), min_size=1, max_size=30),
)
def test_a_constructed_tie_is_the_close(close, others):
    """Closes that lie around the last one and cancel out: the mean is that close, the very float."""
    around = [close + 1000 + n for n in others] + [close + 1000 - n for n in others]
    closes = [n / 100 for n in [*around, close + 1000]]
    assert means(closes, len(closes))[-1] == closes[-1]


@given(
    prices=st.lists(st.floats(1e3, 1e5).map(lambda price: round(price, 2)), min_size=2, max_size=200),
    period=st.integers(2, 50),
)
def test_it_agrees_with_talib(prices, period):
    """TA-Lib's SMA, to 1e-9 relative, with the same warm-up."""
    theirs = talib.SMA(np.array(prices), timeperiod=period) if len(prices) >= period else [np.nan] * len(prices)
    for ours, reference in zip(means(prices, period), theirs, strict=True):
        assert (ours is None) == bool(np.isnan(reference))
        assert ours is None or ours == pytest.approx(reference, rel=1e-9)


def test_it_does_not_drift_over_a_million_candles():
    """A running total of floats is off by then; ours equals whole-number arithmetic at every single candle."""
    chance, period = random.Random(12), 125
    level = np.cumsum([chance.choice([-40_000, 40_000]) if chance.random() < 0.001 else 0 for _ in range(1_000_000)])
    cents = 6_000_000 + level % 3_000_000 + np.array([chance.choice([-2, -1, 0, 1, 2]) for _ in range(1_000_000)])
    sums = np.cumsum(cents)
    window = sums[period - 1 :] - np.concatenate([[0], sums[:-period]])
    closes = pl.DataFrame({"close": cents / 100})
    found = with_ticks(closes).select(sma(period=period)).to_series().to_numpy()[period - 1 :]
    assert np.max(np.abs(found / (window / (100 * period)) - 1)) < 1e-15
    last = cents[period - 1 :]
    assert np.array_equal(np.sign(last * period - window), np.sign(closes["close"].to_numpy()[period - 1 :] - found))
    # There are ties in it, or the line above proves little.
    assert np.count_nonzero(last * period == window) > 1000


def test_the_longest_period_of_the_highest_price_does_not_overflow():
    """Every period that may be configured is exact at every price that ticks are."""
    price, period = 2.0**25 - 1, int(INDICATOR.parameters["period"].high)
    assert means([price - 1] + [price] * period, period)[-2:] == [pytest.approx(price - 1 / period, rel=1e-15), price]


@pytest.mark.parametrize("period", [1, 2, 44, 2_500])
def test_the_look_back_is_one_less_than_the_period(period):
    """A value depends on so many candles before its own."""
    assert INDICATOR.look_back({"period": period}) == period - 1


def test_a_period_of_one_is_the_close():
    """To the bit."""
    closes = [0.1 + 0.2, 12345.67, 1e-8]
    assert means(closes, 1) == closes
