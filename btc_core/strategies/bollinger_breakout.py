"""Bollinger bands: follow a close outside of them, until it is back beyond the middle.

Source: J. Bollinger, Bollinger on Bollinger Bands (2001), method I: a close outside of the bands is a beginning, not an
end. The end at the middle is the usual one.
"""

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters
from btc_core.rules import SIDE, above, ending, on_side
from btc_core.strategy import Bounds, Strategy

PARAMETERS = {
    "period": Parameter(20, 2, 2_500, "candles in the bands"),
    "deviations": Parameter(2.0, 0.1, 100.0, "standard deviations from the middle to a band"),
    "side": SIDE,
}


def bands(parameters: Parameters) -> list[NamedIndicator]:
    """Return the bands of these parameters, under the name ``bands``."""
    chosen = {name: parameters[name] for name in ("period", "deviations")}
    return [NamedIndicator("bands", "bollinger", chosen)]


def outside() -> pl.Expr:
    """Return 1 above the upper band, -1 below the lower one, null between them and on them."""
    is_above, is_below = above(pl.col("close"), pl.col("bands.upper")), above(pl.col("bands.lower"), pl.col("close"))
    return pl.when(is_above).then(1.0).when(is_below).then(-1.0)


def stretch(parameters: Parameters) -> pl.Expr:  # noqa: ARG001  # the bands say it
    """Return how far the close is from the middle: 1 from two widths of a band on, 0 where the bands have no width."""
    width = pl.col("bands.upper") - pl.col("bands")
    reach = (pl.col("close") - pl.col("bands")).abs()
    return pl.when(width > 0).then((reach / (2 * width)).clip(upper_bound=1.0))


def _wanted(parameters: Parameters) -> pl.Expr:
    return on_side(outside(), parameters)


def _bounds(parameters: Parameters) -> Bounds:  # noqa: ARG001  # the bands say it
    close, middle = pl.col("close"), pl.col("bands")
    return ending(above(middle, close), above(close, middle))


STRATEGY = Strategy(
    description="Long from a close above the upper band until one below the middle, short from a close below the lower "
    "band until one above the middle. On a line the position stays.",
    parameters=PARAMETERS,
    indicators=bands,
    wanted=_wanted,
    bounds=_bounds,
    confidence=stretch,
)
