"""Supertrend: a stop that follows the price by so many average true ranges, and changes sides when it is crossed."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from btc_core.indicator import Indicator
from btc_core.indicators.atr import atr, look_back_of_atr
from btc_core.parameters import Parameter, Parameters
from btc_core.recursion import LONGEST_PERIOD, Numbers, State, Step, look_back_of, recursive

# The state of a Supertrend does not fade by weight: two recursions that start apart run together once the price has
# crossed the bands of both. A price that wanders turns the trend every 4 · multiple² candles or so. After so many times
# the square none is left apart on half a million real candles (tests/unit/btc_core/indicators/test_supertrend.py).
_MEMORY_PER_SQUARE = 30
# A narrower band is crossed as often, but not by a price that stands still for an hour.
_LEAST_MULTIPLE = 2.0


def memory_of(multiple: float) -> int:
    """Return how many candles before a value its recursion has started at the latest."""
    return math.ceil(_MEMORY_PER_SQUARE * max(multiple, _LEAST_MULTIPLE) ** 2)


def supertrend(high: pl.Expr, low: pl.Expr, close: pl.Expr, ranges: pl.Expr, *, multiple: float) -> pl.Expr:
    """Return the Supertrend line: the lower band while the trend is up, the upper one while it is down.

    Shape: one value per candle. Unit: quote currency.
    Warm-up: that of ``ranges``. Recursive, starting afresh at least ``memory_of(multiple)`` candles before each value
    (``btc_core.recursion``), upwards where the first close is at least in the middle of its candle.

    Bands lie ``multiple`` ranges from the middle of high and low. The lower one never falls while the close before was
    on or above it, the upper one never rises while the close before was on or below it. The trend turns when a close
    is beyond its band; a close on the band turns nothing (law 12).

    Args:
        high: High prices, ascending by ``time``, no nulls.
        low: Low prices, aligned.
        close: Close prices, aligned.
        ranges: Average true ranges, aligned.
        multiple: Ranges between the middle and a band. Seban's own choice is 3, over 10 candles.

    Source: O. Seban; as TradingView's ``ta.supertrend`` and Skender's, but for their single start of history.
    """
    return recursive([high, low, close, ranges], _steps(multiple, _either), memory=memory_of(multiple))


def direction(high: pl.Expr, low: pl.Expr, close: pl.Expr, ranges: pl.Expr, *, multiple: float) -> pl.Expr:
    """Return 1 while the trend of ``supertrend`` is up and -1 while it is down; as ``supertrend`` otherwise."""
    steps = _steps(multiple, lambda is_up, _lower, _upper: _either(is_up, 1.0, -1.0))
    return recursive([high, low, close, ranges], steps, memory=memory_of(multiple))


def _steps(multiple: float, value: Callable[[Numbers, Numbers, Numbers], Numbers]) -> Step:
    """Return the step of a Supertrend whose value is a function of: is the trend up, lower band, upper band."""

    def step(_k: int, inputs: Sequence[Numbers], before: State | None) -> State:
        top, bottom, last, reach = inputs
        middle = (top + bottom) / 2
        upper, lower = middle + multiple * reach, middle - multiple * reach
        if before is None:
            is_up = last >= middle
        else:
            _, upper_before, lower_before, last_before, was_up = before
            upper = _either((upper < upper_before) | (last_before > upper_before), upper, upper_before)
            lower = _either((lower > lower_before) | (last_before < lower_before), lower, lower_before)
            is_up = _either(was_up, last >= lower, last > upper)
        return value(is_up, lower, upper), upper, lower, last, is_up

    return step


def _either(condition: Any, one: Any, other: Any) -> Any:
    """Return one or the other, of numbers or of arrays of them."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, one, other)
    return one if condition else other


def _period(parameters: Parameters) -> int:
    return int(parameters["period"])


def _look_back(parameters: Parameters) -> int:
    return look_back_of_atr(_period(parameters)) + look_back_of(memory_of(parameters["multiple"]))


def _outputs(parameters: Parameters) -> Mapping[str, pl.Expr]:
    high, low, close = pl.col("high"), pl.col("low"), pl.col("close")
    ranges = atr(high, low, close, period=_period(parameters))
    multiple = parameters["multiple"]
    return {
        "": supertrend(high, low, close, ranges, multiple=multiple),
        ".direction": direction(high, low, close, ranges, multiple=multiple),
    }


INDICATOR = Indicator(
    parameters={
        "period": Parameter(10, 1, LONGEST_PERIOD, "ranges in the average true range"),
        "multiple": Parameter(3.0, 0.1, 20.0, "average true ranges between the middle and a band"),
    },
    warm_up=_period,
    look_back=_look_back,
    outputs=_outputs,
)
