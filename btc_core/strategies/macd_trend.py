"""MACD against its signal line: long above, short below.

Source: G. Appel, The Moving Average Convergence-Divergence Method (1979), with 12, 26 and 9 candles.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, on_side, sign
from btc_core.strategy import Strategy

_PERIODS = ("fast", "slow", "signal")


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    return [NamedIndicator("macd", "macd", {name: parameters[name] for name in _PERIODS})]


def _wanted(parameters: Parameters) -> pl.Expr:
    # Both lines are differences of prices: what is rounding is a part of the price.
    return on_side(sign(pl.col("macd"), pl.col("macd.signal"), size=pl.col("close")), parameters)


def _confidence(parameters: Parameters) -> pl.Expr:  # noqa: ARG001  # the lines say it
    line, signal = pl.col("macd"), pl.col("macd.signal")
    both = line.abs() + signal.abs()
    return pl.when(both > 0).then((line - signal).abs() / both)


STRATEGY = Strategy(
    description="Long while the MACD is above its signal line, short while it is below; where they are equal the "
    "position stays.",
    parameters={
        "fast": Parameter(12, 1, 1_000, "candles in the quicker average"),
        "slow": Parameter(26, 1, 1_000, "candles in the slower average"),
        "signal": Parameter(9, 1, 1_000, "candles in the average of their distance"),
        "side": SIDE,
    },
    indicators=_indicators,
    wanted=_wanted,
    confidence=_confidence,
)
