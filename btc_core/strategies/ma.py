"""Price against its simple moving average: long above, short below."""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, distance, on_side
from btc_core.strategy import Strategy

# A close this far from its average (as a fraction of it) is as sure as this rule gets.
CERTAIN_DISTANCE = 0.02


def _average(parameters: Parameters) -> str:
    return f"ma{int(parameters['period'])}"


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    return [NamedIndicator(_average(parameters), "sma", {"period": parameters["period"]})]


def _wanted(parameters: Parameters) -> pl.Expr:
    close, average = pl.col("close"), pl.col(_average(parameters))
    # At equality: no opinion. The average is exact there (see sma), so a tie is a tie.
    return on_side(pl.when(close > average).then(1.0).when(close < average).then(-1.0), parameters)


def _confidence(parameters: Parameters) -> pl.Expr:
    return distance(pl.col("close"), pl.col(_average(parameters)), certain=CERTAIN_DISTANCE)


STRATEGY = Strategy(
    description="Long while the close is above its simple moving average, short while it is below; at equality the "
    "position stays. Confidence grows with the distance and is 1 from 2 % on.",
    parameters={"period": Parameter(44, 2, 1_000, "candles in the average"), "side": SIDE},
    indicators=_indicators,
    wanted=_wanted,
    confidence=_confidence,
)
