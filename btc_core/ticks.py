"""Prices as whole numbers, so that sums do not drift and ties are ties (law 12)."""

import polars as pl

# The finest price step of the exchanges in use is 1e-8; a float of up to 9e7 still holds every such step exactly.
TICKS_PER_UNIT = 100_000_000


def price_ticks(price: pl.Expr) -> pl.Expr:
    """Return prices as counts of 1e-8, exact for every price that is a multiple of it and below 9e7."""
    return (price * TICKS_PER_UNIT).round().cast(pl.Int64)
