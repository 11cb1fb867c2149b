"""The price that takes an isolated position."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.simulator.liquidation import bankruptcy_price, liquidation_price


@given(
    entry=st.floats(1, 1e6),
    side=st.sampled_from([1, -1]),
    leverage=st.floats(1, 40),
    maintenance=st.floats(0, 0.02),
)
def test_liquidation_price_leaves_the_maintenance_margin(entry, side, leverage, maintenance):
    """At that price margin and loss together are the maintenance margin of the notional there."""
    price = liquidation_price(entry, side=side, leverage=leverage, maintenance=maintenance)
    worth = entry / leverage + side * (price - entry)
    assert worth == pytest.approx(maintenance * price, abs=1e-9 * entry)


@given(entry=st.floats(1, 1e6), side=st.sampled_from([1, -1]), leverage=st.floats(1, 40))
def test_liquidation_price_is_the_exchange_s_formula(entry, side, leverage):
    """``price − side · margin_available / size / (1 − l · side)`` with the margin available of a size of 1."""
    available = entry / leverage - 0.0125 * entry
    expected = entry - side * available / (1 - 0.0125 * side)
    found = liquidation_price(entry, side=side, leverage=leverage, maintenance=0.0125)
    assert found == pytest.approx(expected, abs=1e-9 * entry)


def test_a_long_without_leverage_is_never_liquidated():
    """Its margin is the whole notional, which no price above 0 uses up."""
    assert liquidation_price(100, side=1, leverage=1, maintenance=0.0125) == 0


def test_bankruptcy_price_uses_up_the_margin():
    """At tenfold leverage a tenth of the entry is the margin."""
    assert bankruptcy_price(100, side=1, leverage=10) == pytest.approx(90)
    assert bankruptcy_price(100, side=-1, leverage=10) == pytest.approx(110)
