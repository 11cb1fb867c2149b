"""Two simple moving averages: long while the quick one is above the slow one.

Source: the oldest of the trend rules; tested as VMA by W. Brock, J. Lakonishok, B. LeBaron, Simple Technical Trading
Rules and the Stochastic Properties of Stock Returns, Journal of Finance 47 (1992). 10 and 20 candles are
backtesting.py's `SmaCross`, 50 and 200 the golden cross.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, distance, on_side, sign
from btc_core.strategy import Strategy

# Averages this far apart (as a fraction of the slow one) are as sure as this rule gets.
CERTAIN_DISTANCE = 0.02


def _names(parameters: Parameters) -> tuple[str, str]:
    return f"ma{int(parameters['fast'])}", f"ma{int(parameters['slow'])}"


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    periods = dict(zip(_names(parameters), (parameters["fast"], parameters["slow"]), strict=True))
    return [NamedIndicator(name, "sma", {"period": period}) for name, period in periods.items()]


def _wanted(parameters: Parameters) -> pl.Expr:
    fast, slow = map(pl.col, _names(parameters))
    return on_side(sign(fast, slow), parameters)


def _confidence(parameters: Parameters) -> pl.Expr:
    fast, slow = map(pl.col, _names(parameters))
    return distance(fast, slow, certain=CERTAIN_DISTANCE)


STRATEGY = Strategy(
    description="Long while the mean of the last `fast` closes is above that of the last `slow`, short while it is "
    "below; where they are equal the position stays.",
    parameters={
        "fast": Parameter(10, 1, 2_500, "candles in the quick average"),
        "slow": Parameter(20, 2, 2_500, "candles in the slow average; below `fast` the rule is turned around"),
        "side": SIDE,
    },
    indicators=_indicators,
    wanted=_wanted,
    confidence=_confidence,
)
