"""Prices as whole numbers, so that sums do not drift and ties are ties (law 12)."""

import polars as pl

# The finest price step of the exchanges in use is 1e-8. Below 2**25 (3.3e7) a float and its product with 1e8 are both
# off by less than a quarter of a tick, so that rounding leads back to the tick.
TICKS_PER_UNIT = 100_000_000


def price_ticks(price: pl.Expr) -> pl.Expr:
    """Return prices as counts of 1e-8, exact for every price that is a multiple of it and below 3.3e7."""
    return (price * TICKS_PER_UNIT).round().cast(pl.Int64)
