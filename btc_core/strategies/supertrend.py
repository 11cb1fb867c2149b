"""Supertrend: long while the price keeps above its trailing band, short while it keeps below.

Source: O. Seban's Supertrend, with 10 candles and 3 average true ranges; always in the market, as he has it.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, distance, on_side
from btc_core.strategy import Strategy

# A close this far from its band (as a fraction of it) is as sure as this rule gets.
CERTAIN_DISTANCE = 0.05


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    chosen = {name: parameters[name] for name in ("period", "multiple")}
    return [NamedIndicator("supertrend", "supertrend", chosen)]


def _wanted(parameters: Parameters) -> pl.Expr:
    # A close on the band turns nothing: the indicator keeps the direction (law 12).
    return on_side(pl.col("supertrend.direction"), parameters)


def _confidence(parameters: Parameters) -> pl.Expr:  # noqa: ARG001  # the band says it
    return distance(pl.col("close"), pl.col("supertrend"), certain=CERTAIN_DISTANCE)


STRATEGY = Strategy(
    description="Long from a close above the upper band until one below the lower band that follows the price up, then "
    "short until one above the upper band that follows it down. On a band the position stays.",
    parameters={
        "period": Parameter(10, 1, 1_000, "ranges in the average true range"),
        "multiple": Parameter(3.0, 0.1, 20.0, "average true ranges from the middle of a candle to a band"),
        "side": SIDE,
    },
    indicators=_indicators,
    wanted=_wanted,
    confidence=_confidence,
)
