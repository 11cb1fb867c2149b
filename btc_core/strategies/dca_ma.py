"""Dollar-cost averaging that buys more below the average: above it slowly, below it all that was put aside.

The plan puts aside the same sum of money at equal times. Above its moving average the rule has spent only a part of
what the plan has put aside by now (`above`); below it, it spends all of it. So money that was saved in dear times buys
in cheap ones, and the whole is never more than the plan.

Source: the enhanced averaging of M. Edleson, Value Averaging (1991), in its simplest form: the price against its own
average in place of a value path. What its exposure means: docs/adr/0019.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import PLAN, distance, planned
from btc_core.strategy import Bounds, Strategy

# A close this far from its average (as a fraction of it) is as sure as this rule gets.
CERTAIN_DISTANCE = 0.2


def _average(parameters: Parameters) -> str:
    return f"ma{int(parameters['period'])}"


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    return [NamedIndicator(_average(parameters), "sma", {"period": parameters["period"]})]


def _bounds(parameters: Parameters) -> Bounds:
    plan = planned(pl.col("close_time"), parameters)
    # At equality the slow pace: the average is exact there (see sma).
    is_cheap = pl.col("close") < pl.col(_average(parameters))
    return pl.when(is_cheap).then(plan).otherwise(plan * float(parameters["above"])), pl.lit(1.0)


def _confidence(parameters: Parameters) -> pl.Expr:
    return distance(pl.col("close"), pl.col(_average(parameters)), certain=CERTAIN_DISTANCE)


STRATEGY = Strategy(
    description="Puts the same money aside every `every_hours` from `start` on. Below its moving average it buys for "
    "all of it, above it keeps to the part `above` of the plan; never sells.",
    parameters={
        **PLAN,
        "period": Parameter(125, 2, 2_500, "candles in the average"),
        "above": Parameter(0.5, 0.0, 1.0, "part of the plan that is kept to above the average"),
    },
    indicators=_indicators,
    wanted=lambda _: pl.lit(None, pl.Float64),
    bounds=_bounds,
    confidence=_confidence,
    of="capital",
)
