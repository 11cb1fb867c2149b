"""Realised volatility: the root of the sum of squared logarithmic returns."""

import numpy as np
import pytest

from tests.indicators import arrays, candles_of, differs, made_candles, values


@pytest.mark.parametrize("period", [1, 24, 500])
def test_it_is_the_plain_sum(period):
    """Against numpy's sums over each window alone, to 1e-9."""
    candles = made_candles(2000)
    squares = np.diff(np.log(arrays(candles)["close"])) ** 2
    sums = np.lib.stride_tricks.sliding_window_view(squares, period).sum(axis=1)
    theirs = np.concatenate([np.full(period, np.nan), np.sqrt(sums)])
    found = values("realised_volatility", candles, period=period)["realised_volatility"]
    assert differs(found, theirs, scale=1e-4) < 1e-9


def test_a_price_that_stands_still_has_none():
    """It is 0, exactly, also after a wild past: nothing is left over from a running sum."""
    closes = [float(10 ** (n % 7)) for n in range(1000)] + [5.0] * 25
    assert values("realised_volatility", candles_of(closes))["realised_volatility"][-1] == 0.0


def test_a_known_case():
    """Up and down by e: two returns of one, so the root of two."""
    found = values("realised_volatility", candles_of([1.0, np.e, 1.0]), period=2)["realised_volatility"]
    assert found.to_list() == [None, None, pytest.approx(np.sqrt(2), rel=1e-15)]
