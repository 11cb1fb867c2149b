"""What a log and a curve add up to, by hand; that the figures are those of a backtest is tested with them."""

import numpy as np
import pytest

from btc_core.simulator import tally
from btc_core.simulator.layout import frozen
from tests.unit.btc_core.simulator.test_rounds import log_of


def days(log, *, prices, midnights, final):
    """Return the values at midnights and the deepest fall: a decision a second, no funding, capital 100."""
    daily, n = np.empty(len(midnights)), len(prices)
    log["cash"] = 100 - np.cumsum(log["quantity"] * log["price"])
    fall = tally.add_days(
        daily,
        frozen(np.array(midnights)),
        log.view(np.recarray),
        frozen(np.arange(len(log)) * 2 + 1),
        frozen(np.arange(n)),
        frozen(np.array(prices, np.float64)),
        frozen(np.zeros(n)),
        100.0,
        final,
    )
    return daily.tolist(), fall


def test_a_fill_shows_from_the_next_decision_on():
    """One bought at 10 at second 1 and sold at 20 at second 3: worth 100, 100, 105, 110, 110, and 110 at the end."""
    found, fall = days(
        log_of((1, 10, 0, 0), (-1, 20, 0, 0)), prices=[9, 10, 15, 20, 5], midnights=range(7), final=110.0
    )
    assert found == [100, 100, 100, 105, 110, 110, 110]
    assert fall == 0


def test_the_deepest_fall_is_from_the_highest_before_it():
    """Ten bought at 10: 150, 90 (40 % below), 300, 240 (20 % below)."""
    log = log_of((10, 10, 0, 0))
    assert days(log, prices=[10, 10, 15, 9, 30, 24], midnights=[0, 4, 7], final=240.0) == ([100, 90, 240], 0.4)


def test_the_end_may_be_the_deepest():
    """What is left counts too."""
    assert days(log_of(), prices=[1.0], midnights=[2, 2], final=25.0) == ([25, 25], pytest.approx(0.75))
