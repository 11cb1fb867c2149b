"""Prices as whole numbers of 1e-8: exact in the range that is promised (law 12)."""

import random
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.errors import DataError
from btc_core.model.candle import TICKS_PER_UNIT
from btc_core.model.interval import parse_interval
from btc_core.ticks import price_ticks, ticks_of_last, with_ticks
from tests.derivation import candles_of_closes

HOUR = parse_interval("1h")
START = datetime(2025, 1, 1, tzinfo=UTC)
# As the function promises.
EXACT_BELOW = 2**25


def ticks_of(prices):
    """Return the ticks of some prices."""
    return pl.DataFrame({"price": prices}).select(price_ticks(pl.col("price"))).to_series()


@given(ticks=st.lists(st.integers(0, EXACT_BELOW * TICKS_PER_UNIT - 1), min_size=1))
def test_a_price_of_whole_ticks_is_exact(ticks):
    """The float next to a multiple of 1e-8 leads back to it."""
    found = ticks_of([n / TICKS_PER_UNIT for n in ticks])
    assert (found.dtype, found.to_list()) == (pl.Int64, ticks)


def test_a_million_prices_at_the_limit_are_exact():
    """The last million ticks below the limit, where floats are furthest apart."""
    last = EXACT_BELOW * TICKS_PER_UNIT
    ticks = pl.Series(range(last - 1_000_000, last))
    assert ticks_of([n / TICKS_PER_UNIT for n in ticks]).equals(ticks)


def test_noise_of_the_last_bit_is_no_difference():
    """0.1 + 0.2 is 0.3 in ticks."""
    assert ticks_of([0.1 + 0.2, 0.3]).n_unique() == 1


def test_sums_that_run_over_are_exact():
    """At the highest prices 64 bits are full after 2,700 candles; the sum of the last of them is exact all the same."""
    chance = random.Random(5)
    ticks = [EXACT_BELOW * TICKS_PER_UNIT - 1 - chance.randrange(10**9) for _ in range(6_000)]
    assert sum(ticks) > 2**64
    frame = with_ticks(pl.DataFrame({"close": [n / TICKS_PER_UNIT for n in ticks]}))
    of_each, of_last = frame.select(*(each.alias(name) for name, each in zip("ab", ticks_of_last(44), strict=True)))
    assert of_each.to_list() == ticks
    assert of_last.to_list() == [None] * 43 + [sum(ticks[i - 43 : i + 1]) for i in range(43, 6_000)]


@pytest.mark.parametrize("price", [2.0**25, 1.7e9, 1e11, 1e300, 1.4e-8, 4e-9])
def test_a_price_that_cannot_be_counted_is_refused(price):
    """Its sums would run over, or be those of other prices: a wrong decision without a word. The candle is named."""
    closes = [100.0, 100.0, price, 1e12]
    with pytest.raises(DataError, match=r"2025-01-01 02:00Z") as caught:
        with_ticks(candles_of_closes(closes, HOUR, START))
    assert str(price) in str(caught.value)
    with pytest.raises(DataError, match="one of its closes"):
        with_ticks(pl.DataFrame({"close": closes}))


@pytest.mark.parametrize("price", [2.0**25 - 1e-8, 1e-8, 0.1 + 0.2, 7e-6, 104512.123456789])
def test_a_price_that_can_be_counted_is_not(price):
    """The limits themselves, the noise of floats, and more digits than a high price needs."""
    assert with_ticks(pl.DataFrame({"close": [price]}))["close"].to_list() == [price]
