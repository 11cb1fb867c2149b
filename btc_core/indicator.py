"""What an indicator is: a function of candles, without opinion. Each stands in its own file of ``indicators``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from btc_core.config import IndicatorConfig
from btc_core.parameters import Parameter, Parameters, resolve_parameters
from btc_core.plugins import load_plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """A function of candles.

    Attributes:
        parameters: What it is tuned by.
        look_back: How many candles before a candle its value depends on; as many first values are null (warm-up).
        outputs: Its values as expressions over a candle frame, aligned with it, by suffix: ``""`` for the indicator
            itself, ``.signal`` for a further output.
    """

    parameters: Mapping[str, Parameter]
    look_back: Callable[[Parameters], int]
    outputs: Callable[[Parameters], Mapping[str, pl.Expr]]


def load_indicator(name: str) -> Indicator:
    """Return the indicator in ``btc_core/indicators/<name>.py``.

    Raises:
        UnknownNameError: If there is none.
    """
    indicator: Indicator = load_plugin("btc_core.indicators", "INDICATOR", name)
    return indicator


@dataclass(frozen=True, slots=True)
class NamedIndicator:
    """An indicator with its parameters filled in, under the name it is stored by."""

    name: str
    function: str
    parameters: Parameters

    @property
    def look_back(self) -> int:
        """How many candles before a candle its value depends on."""
        return load_indicator(self.function).look_back(self.parameters)

    def columns(self) -> dict[str, pl.Expr]:
        """Return its values by stored name (``macd``, ``macd.signal``)."""
        outputs = load_indicator(self.function).outputs(self.parameters)
        return {self.name + suffix: expression for suffix, expression in outputs.items()}


def configured_indicator(name: str, entry: IndicatorConfig) -> NamedIndicator:
    """Return the indicator that a configuration entry describes.

    Raises:
        UnknownNameError: If its function or a parameter does not exist.
        InputError: If a parameter is out of range.
    """
    known = load_indicator(entry.function).parameters
    return NamedIndicator(name, entry.function, resolve_parameters(f"indicator {name}", known, entry.parameters))


def with_indicators(candles: pl.DataFrame, indicators: list[NamedIndicator]) -> pl.DataFrame:
    """Return the candles with a column for each output of each indicator; null in the warm-up."""
    columns = {name: values for indicator in indicators for name, values in indicator.columns().items()}
    return candles.with_columns(**columns)
