"""Prices as whole numbers: exact for every price that an exchange can quote."""

from decimal import Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from btc_core.ticks import TICKS_PER_UNIT, price_ticks


@given(st.integers(1, 9 * 10**15))
def test_every_multiple_of_a_tick_is_exact(ticks):
    """A price of up to 9e7 with up to eight decimals becomes exactly its number of ticks, and back."""
    price = float(Decimal(ticks) / TICKS_PER_UNIT)
    assert pl.select(price_ticks(pl.lit(price))).item() == ticks


def test_no_price_is_no_ticks():
    """A missing price stays missing."""
    assert pl.select(price_ticks(pl.lit(None, pl.Float64))).item() is None
