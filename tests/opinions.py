"""What the tests of strategies share: what a strategy says over a few hourly closes."""

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from btc_core.decide import evaluate, take_positions
from btc_core.model.interval import parse_interval
from btc_core.strategy import load_strategy
from tests.derivation import candles_of_closes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = parse_interval("1h")


def said(name: str, closes: Sequence[float], **parameters: object) -> pl.DataFrame:
    """Return what a strategy thinks and the exposure that it leaves, over flat candles at these closes."""
    candles = candles_of_closes(closes, HOUR, START)
    return take_positions(evaluate(candles, load_strategy(name, parameters), HOUR), before=0.0)


def exposures(name: str, closes: Sequence[float], **parameters: object) -> list[float]:
    """Return the exposure after each close from the end of the warm-up on, beginning flat."""
    return said(name, closes, **parameters)["exposure"].to_list()
