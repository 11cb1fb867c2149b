"""Chandelier exit: follow a breakout until a close is so many average true ranges from its best price.

Source: C. LeBeau's chandelier exit, which hangs from the highest high since the entry (C. LeBeau, D. Lucas, Technical
Traders Guide to Computer Analysis of the Futures Markets, 1992; A. Elder, Come Into My Trading Room, 2002), with 22
candles and 3 ranges. The entry is R. Donchian's breakout, over as many candles. That the stop never moves back is ours.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, TIE, on_side
from btc_core.step import Numbers, Step
from btc_core.strategy import Strategy


def _indicators(parameters: Parameters) -> list[NamedIndicator]:
    return [
        NamedIndicator("channel", "donchian", {"period": parameters["entry"]}),
        NamedIndicator("range", "atr", {"period": parameters["period"]}),
    ]


def _breakout(parameters: Parameters) -> pl.Expr:
    """Return 1 above the channel before this candle, -1 below it, 0 inside; of the sides that are taken."""
    close, upper, lower = pl.col("close"), pl.col("channel.upper").shift(1), pl.col("channel.lower").shift(1)
    # The lines are copies of prices: they compare exactly.
    return on_side(pl.when(close > upper).then(1.0).when(close < lower).then(-1.0).otherwise(0.0), parameters)


def _advance(  # noqa: PLR0917 - a step is called by place, as numba calls it
    state: Numbers, close: float, high: float, low: float, breakout: float, reach: float
) -> tuple[Numbers, float, float]:
    """Return side, best price and stop after a candle; the side as exposure; how far the close is from the stop."""
    side, best, stop = state
    if side != 0.0:
        best = max(best, high) if side > 0.0 else min(best, low)
        nearer = best - side * reach
        stop = max(stop, nearer) if side > 0.0 else min(stop, nearer)
        # A close on the stop ends nothing (law 12); the range is a float, so what is rounding is a tie.
        if side * (stop - close) > TIE * abs(stop):
            side = 0.0
    if breakout not in (0.0, side):
        side = breakout
        best = high if side > 0.0 else low
        stop = best - side * reach
    if side == 0.0:
        return (0.0, 0.0, 0.0), 0.0, 0.0
    return (side, best, stop), side, min(1.0, max(0.0, side * (close - stop)) / reach) if reach > 0.0 else 0.0


def _step(parameters: Parameters) -> Step:
    sees = {
        "close": pl.col("close"),
        "high": pl.col("high"),
        "low": pl.col("low"),
        "breakout": _breakout(parameters),
        "reach": pl.col("range") * float(parameters["multiple"]),
    }
    return Step(state={"side": 0.0, "best": 0.0, "stop": 0.0}, sees=sees, advance=_advance)


STRATEGY = Strategy(
    description="Long from a close above the highest high of the `entry` candles before it, until one below a stop "
    "that hangs `multiple` average true ranges from the highest high since and never falls; short the other way round.",
    parameters={
        "entry": Parameter(22, 1, 10_000, "candles in the channel that opens"),
        "period": Parameter(22, 1, 1_000, "ranges in the average true range"),
        "multiple": Parameter(3.0, 0.1, 20.0, "average true ranges from the best price to the stop"),
        "side": SIDE,
    },
    indicators=_indicators,
    step=_step,
    look_back=lambda _: 1,
)
