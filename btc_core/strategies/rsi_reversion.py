"""Relative strength index: buy what has fallen too fast, sell what has risen too fast, until it is even again.

Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section VI: below 30 is oversold, above 70
overbought, both over 14 candles. The end at 50, where rises and falls are even, is ours.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, above, ending, on_side
from btc_core.strategy import Bounds, Strategy

_EVEN = 50.0


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    return [NamedIndicator("rsi", "rsi", {"period": parameters["period"]})]


def _wanted(parameters: Parameters) -> pl.Expr:
    rsi, low, high = pl.col("rsi"), pl.lit(float(parameters["low"])), pl.lit(float(parameters["high"]))
    return on_side(pl.when(above(low, rsi)).then(1.0).when(above(rsi, high)).then(-1.0), parameters)


def _bounds(parameters: Parameters) -> Bounds:
    rsi, exit_ = pl.col("rsi"), pl.lit(float(parameters["exit"]))
    return ending(above(rsi, exit_), above(exit_, rsi))


def _confidence(parameters: Parameters) -> pl.Expr:  # noqa: ARG001  # the distance from even says it
    return (pl.col("rsi") - _EVEN).abs() * (1 / _EVEN)


STRATEGY = Strategy(
    description="Long below `low`, until the index is above `exit`; short above `high`, until it is below `exit`. "
    "On a line the position stays.",
    parameters={
        "period": Parameter(14, 1, 1_000, "changes in the index"),
        "low": Parameter(30.0, 0.0, 100.0, "points below which it buys"),
        "high": Parameter(70.0, 0.0, 100.0, "points above which it sells"),
        "exit": Parameter(50.0, 0.0, 100.0, "points at which a position ends"),
        "side": SIDE,
    },
    indicators=_indicators,
    wanted=_wanted,
    bounds=_bounds,
    confidence=_confidence,
)
