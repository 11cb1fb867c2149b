"""All in at the first close, and never out: what every other rule is measured by."""

import polars as pl

from btc_core.strategy import Strategy

STRATEGY = Strategy(
    description="Long, always.",
    parameters={},
    indicators=lambda _: [],
    wanted=lambda _: pl.lit(1.0),
    confidence=lambda _: pl.lit(1.0),
)
