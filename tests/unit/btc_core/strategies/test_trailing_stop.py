"""The chandelier exit by hand: it hangs from the best price, never moves back, and a close on it ends nothing."""

import pytest

from btc_core.strategies.trailing_stop import _advance

FLAT = (0.0, 0.0, 0.0)


def test_a_breakout_opens_and_hangs_the_stop():
    """Long at a close above the channel: the stop is three ranges below the high."""
    assert _advance(FLAT, 100.0, 101.0, 99.0, 1.0, 6.0) == ((1.0, 101.0, 95.0), 1.0, pytest.approx(5 / 6))


def test_the_stop_follows_the_best_price_and_never_moves_back():
    """Up with a higher high; a wider range does not lower it."""
    after, exposure, _ = _advance((1.0, 101.0, 95.0), 104.0, 105.0, 103.0, 0.0, 6.0)
    assert (after, exposure) == ((1.0, 105.0, 99.0), 1.0)
    after, *_ = _advance(after, 103.0, 104.0, 102.0, 0.0, 9.0)
    assert after == (1.0, 105.0, 99.0)


@pytest.mark.parametrize(("close", "exposure"), [(99.5, 1.0), (99.0, 1.0), (98.9, 0.0)])
def test_a_close_beyond_it_ends_the_trade(close, exposure):
    """On it is a tie, and the present exposure is kept (law 12)."""
    after, held, _ = _advance((1.0, 105.0, 99.0), close, 100.0, 98.0, 0.0, 6.0)
    assert held == exposure
    assert (after == FLAT) == (exposure == 0.0)


def test_the_other_breakout_reverses():
    """Short: the stop hangs above the lowest low."""
    after, exposure, _ = _advance((1.0, 105.0, 99.0), 90.0, 92.0, 89.0, -1.0, 6.0)
    assert (after, exposure) == ((-1.0, 89.0, 95.0), -1.0)
    after, exposure, _ = _advance(after, 96.0, 97.0, 94.0, 0.0, 6.0)
    assert (after, exposure) == (FLAT, 0.0)
