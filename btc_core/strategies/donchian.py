"""Donchian channel: long above the highest price of the last weeks, until the lowest of fewer.

Source: R. Donchian's four-week rule; with its own, shorter channel for the end as the turtles had it (C. Faith, The
Original Turtle Rules, 2003: 20 and 10 days, or 55 and 20). They traded when the price touched the line; this rule
decides at the close.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, ending, on_side
from btc_core.strategy import Bounds, Strategy


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    return [NamedIndicator(name, "donchian", {"period": parameters[name]}) for name in ("entry", "exit")]


def _before(line: str) -> pl.Expr:
    """Return a line as it was before this candle: no close is above a channel that holds it."""
    return pl.col(line).shift(1)


def _wanted(parameters: Parameters) -> pl.Expr:
    close = pl.col("close")
    # The lines are copies of prices: they compare exactly.
    is_above, is_below = close > _before("entry.upper"), close < _before("entry.lower")
    return on_side(pl.when(is_above).then(1.0).when(is_below).then(-1.0), parameters)


def _bounds(parameters: Parameters) -> Bounds:  # noqa: ARG001  # the channel says it
    return ending(pl.col("close") < _before("exit.lower"), pl.col("close") > _before("exit.upper"))


def _confidence(parameters: Parameters) -> pl.Expr:  # noqa: ARG001  # the channel says it
    middle, width = _before("entry"), _before("entry.upper") - _before("entry.lower")
    return pl.when(width > 0).then(((pl.col("close") - middle).abs() / width).clip(upper_bound=1.0))


STRATEGY = Strategy(
    description="Long from a close above the highest high of the `entry` candles before it until one below the lowest "
    "low of the `exit` candles before it; short the other way round. On a line the position stays.",
    parameters={
        "entry": Parameter(20, 1, 10_000, "candles in the channel that opens"),
        "exit": Parameter(10, 1, 10_000, "candles in the channel that closes"),
        "side": SIDE,
    },
    indicators=_indicators,
    wanted=_wanted,
    bounds=_bounds,
    confidence=_confidence,
    look_back=lambda _: 1,
)
