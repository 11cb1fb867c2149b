"""Bollinger bands: against a close outside of them, until it is back beyond the middle.

Source: the other reading of J. Bollinger's bands (Bollinger on Bollinger Bands, 2001): prices outside of them are far
from their mean, and come back to it.
"""

import polars as pl

from btc_core.parameters import Parameters
from btc_core.rules import above, ending, on_side
from btc_core.strategies.bollinger_breakout import PARAMETERS, bands, outside, stretch
from btc_core.strategy import Bounds, Strategy


def _wanted(parameters: Parameters) -> pl.Expr:
    return on_side(-outside(), parameters)


def _bounds(parameters: Parameters) -> Bounds:  # noqa: ARG001  # the bands say it
    close, middle = pl.col("close"), pl.col("bands")
    return ending(above(close, middle), above(middle, close))


STRATEGY = Strategy(
    description="Long from a close below the lower band until one above the middle, short from a close above the upper "
    "band until one below the middle. On a line the position stays.",
    parameters=PARAMETERS,
    indicators=bands,
    wanted=_wanted,
    bounds=_bounds,
    confidence=stretch,
)
