"""Dollar-cost averaging: the same sum of money at equal times, whatever the price.

Source: B. Graham, The Intelligent Investor (1949), chapter 5. What its exposure means: docs/adr/0019.
"""

import polars as pl

from btc_core.parameters import Parameters
from btc_core.rules import PLAN, planned
from btc_core.strategy import Bounds, Strategy


def _bounds(parameters: Parameters) -> Bounds:
    # The least, not the wanted: a plan that is made slower buys nothing for a while, and sells nothing.
    return planned(pl.col("close_time"), parameters), pl.lit(1.0)


STRATEGY = Strategy(
    description="Buys for the same money every `every_hours` from `start` on, until the capital is spent; never sells.",
    parameters=PLAN,
    indicators=lambda _: [],
    wanted=lambda _: pl.lit(None, pl.Float64),
    bounds=_bounds,
    confidence=lambda _: pl.lit(1.0),
    of="capital",
)
