"""Rounds of a log written by hand."""

import numpy as np
import pytest

from btc_core.simulator.layout import FILL
from btc_core.simulator.rounds import rounds_of


def log_of(*fills):
    """Return a log: quantity, price, fee and funding of each fill."""
    log, held = np.zeros(len(fills), FILL), 0.0
    for i, (quantity, price, fee, funding) in enumerate(fills):
        held += quantity
        for name, value in (("quantity", quantity), ("price", price), ("fee", fee), ("funding", funding)):
            log[name][i] = value
        log["held"][i] = held
    return log


def test_a_round_is_from_flat_to_flat():
    """Long: 2 at 100, 1 at 110; 1 sold at 120, 2 at 90: 300 − 310 − fees 4 − funding 3. Short: 5 from 10 to 8."""
    found = rounds_of(
        log_of((2, 100, 1, 0), (1, 110, 1, 2), (-1, 120, 1, 1), (-2, 90, 1, 0), (-5, 10, 0.5, 0), (5, 8, 0.5, -1))
    )
    assert (found.first.tolist(), found.last.tolist()) == ([0, 4], [3, 5])
    assert found.side.tolist() == [1, -1]
    assert found.quantity.tolist() == [3, 5]
    assert (found.entered.tolist(), found.left.tolist()) == ([310, 50], [300, 40])
    assert (found.fees.tolist(), found.funding.tolist()) == ([4, 1], [3, -1])
    assert found.pnl.tolist() == pytest.approx([-17, 10])


def test_without_fills_there_is_none():
    """Every column is there, and empty."""
    assert [len(values) for values in rounds_of(log_of())] == [0] * 9
