"""What the compiled kernel is given."""

import math

import numpy as np
import pytest

from btc_core.model.backtest import BacktestConfig, ExitReason
from btc_core.simulator import kernel
from btc_core.simulator.layout import REASONS, frozen, most_fills, terms_of


def test_terms_are_fractions_and_what_is_missing_never_acts():
    """4.5 basis points are 0.00045; no stop is infinitely far away, no lot is 0."""
    terms = terms_of(BacktestConfig(stop_bps=250))
    assert (terms.taker, terms.stop, terms.target, terms.trail, terms.lots) == (0.00045, 0.025, math.inf, math.inf, 0)
    assert terms_of(BacktestConfig(sz_decimals=5, mode="spot"))[-5:] == (1e5, math.inf, math.inf, math.inf, True)


def test_reasons_are_where_the_kernel_expects_them():
    """The kernel writes a place in the tuple; every reason has one."""
    assert set(REASONS) == set(ExitReason)
    for reason in ExitReason:
        assert REASONS[getattr(kernel, reason.name)] is reason


def test_frozen_arrays_cannot_be_written_to():
    """The original can, a view of it cannot."""
    values = np.arange(3.0)
    with pytest.raises(ValueError, match="read-only"):
        frozen(values)[0] = 1
    values[0] = 7
    assert frozen(values)[0] == 7


def test_most_fills_counts_changes_from_flat():
    """Flat, long, long, short: two changes; three fills each, one change to spare and the end."""
    assert most_fills(np.array([0.0, 1.0, 1.0, -1.0])) == 10
