"""Sums over a window: exact, without drift, and large enough for any price and period."""

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.windows import LONGEST_WINDOW, window_deviation, window_distance, window_sum


def over(values, expression):
    """Return an expression over a column ``x`` as a list."""
    return pl.DataFrame({"x": values}, schema={"x": pl.Float64}).select(expression).to_series().to_list()


@given(values=st.lists(st.floats(-1e4, 1e4, allow_subnormal=False), min_size=1, max_size=80), period=st.integers(1, 20))
def test_a_sum_is_exact(values, period):
    """The fraction rounded once; what is smaller than the unit counts as 0."""
    for i, found in enumerate(over(values, window_sum(pl.col("x"), period=period))):
        if i < period - 1:
            assert found is None
            continue
        exact = sum(map(Fraction, values[i - period + 1 : i + 1]))
        assert found == pytest.approx(float(exact), rel=2**-52, abs=period * 2.0**-100)


@given(cents=st.lists(st.integers(1, 10_000_000), min_size=2, max_size=60), period=st.integers(2, 20))
def test_deviation_and_distance_are_exact(cents, period):
    """Compared with fractions: the deviation to its last bits, and the sign of the distance for every candle."""
    prices = [n / 100 for n in cents]
    deviations = over(prices, window_deviation(pl.col("x"), period=period))
    distances = over(prices, window_distance(pl.col("x"), period=period))
    for i in range(period - 1, len(cents)):
        window = [Fraction(n, 100) for n in cents[i - period + 1 : i + 1]]
        mean = sum(window) / period
        variance = sum((x - mean) ** 2 for x in window) / period
        assert deviations[i] == pytest.approx(math.sqrt(variance), rel=1e-15, abs=0)
        assert distances[i] == pytest.approx(float(window[-1] - mean), rel=1e-15, abs=0)
        assert (deviations[i] == 0) == (variance == 0)
    assert deviations[: period - 1] == distances[: period - 1] == [None] * min(period - 1, len(cents))


def test_a_missing_value_is_missing_in_its_windows_only():
    """Null where one of the window is."""
    assert over([1.0, None, 3.0, 4.0, 5.0], window_sum(pl.col("x"), period=2)) == [None, None, None, 7.0, 9.0]


def test_the_longest_window_of_the_highest_price_does_not_overflow():
    """Half at the lowest price, half at the highest: the deviation is half their distance."""
    top, n = 2.0**25 - 1, LONGEST_WINDOW
    prices = [1e-8] * (n // 2) + [top] * (n // 2)
    assert over(prices, window_deviation(pl.col("x"), period=n))[-1] == pytest.approx((top - 1e-8) / 2, rel=1e-15)
    assert over(prices, window_distance(pl.col("x"), period=n))[-1] == pytest.approx((top - 1e-8) / 2, rel=1e-15)
    assert over([2.0**15 - 1] * n, window_sum(pl.col("x"), period=n))[-1] == (2.0**15 - 1) * n


def test_it_does_not_drift_over_a_million_candles():
    """After a million prices that jump up and down, a quiet window's deviation is still its own (law 12)."""
    chance = np.random.default_rng(3)
    wild = (1e7 * chance.random(1_000_000)).round(2)
    quiet = 60_000 + (chance.random(20) * 100).round() / 100
    found = over(np.concatenate([wild, quiet]), window_deviation(pl.col("x"), period=20))[-1]
    assert found == over(quiet, window_deviation(pl.col("x"), period=20))[-1]
    assert found == pytest.approx(np.std(quiet), rel=1e-9)
