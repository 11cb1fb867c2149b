"""The equity curve by hand."""

import numpy as np
import pytest

from btc_core.simulator.equity import equity_curve


def curve(steps, *, time, price, end=100):
    """Return the columns of a curve of 1000 capital as lists, times as numbers."""
    frame = equity_curve(
        steps, time=np.array(time, dtype=np.int64), price=np.array(price, dtype=float), capital=1000.0, end=end
    )
    return {name: frame[name].to_physical().to_list() for name in frame.columns}


def test_a_point_holds_what_happened_before_it():
    """10 bought for 1000 at time 20 are not in the point of time 20, and are worth 1100 at time 30."""
    found = curve([(20, 0.0, 10.0), (100, 1050.0, 0.0)], time=[10, 20, 30], price=[99, 100, 110])
    assert found["time"] == [10, 20, 30, 100]
    assert found["equity"] == [1000, 1000, 1100, 1050]
    assert found["exposure"] == [0, 0, 1, 0]
    assert found["drawdown"] == pytest.approx([0, 0, 0, 1 - 1050 / 1100])


def test_drawdown_counts_from_the_capital():
    """The first fall is below what was there at the start: 10 held from 100 are worth 900 at 90."""
    assert curve([(20, 0.0, 10.0), (100, 900.0, 0.0)], time=[30], price=[90])["drawdown"] == pytest.approx([0.1, 0.1])


def test_a_decision_at_the_end_gives_way_to_the_end_s_point():
    """No time comes twice, and the last point is what is left when all is closed."""
    found = curve([(20, 0.0, 10.0), (100, 890.0, 0.0)], time=[30, 100], price=[90, 90])
    assert found["time"] == [30, 100]
    assert found["equity"] == [900, 890]


def test_nothing_left_is_no_exposure():
    """Of two steps at one time the later counts; 0 of equity has an exposure of 0, not a division by it."""
    found = curve([(20, 0.0, 10.0), (20, 0.0, 0.0)], time=[30], price=[50])
    assert found["equity"] == [0, 0]
    assert found["exposure"] == [0, 0]
    assert found["drawdown"] == [1, 1]
