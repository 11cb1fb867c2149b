"""What an indicator is: a function of candles, without opinion. Each stands in its own file of ``indicators``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from btc_core.config import IndicatorConfig
from btc_core.model.interval import Interval
from btc_core.model.timerange import MINUTE
from btc_core.parameters import Parameter, Parameters, resolve_parameters
from btc_core.plugins import load_plugin
from btc_core.ticks import OF_CLOSE, with_ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """A function of candles.

    Attributes:
        parameters: What it is tuned by.
        outputs: Its values as expressions over a candle frame, aligned with it, by suffix: ``""`` for the indicator
            itself, ``.signal`` for a further output.
        look_back: How many candles before a candle its values depend on, apart from those since the anchor.
        warm_up: How many first candles of history have no value; as many as it looks back where left out. A recursive
            indicator speaks sooner than its look-back is full.
        anchor: The longest time for which it looks back to a fixed instant: a day for one that begins anew each day.
    """

    parameters: Mapping[str, Parameter]
    outputs: Callable[[Parameters], Mapping[str, pl.Expr]]
    look_back: Callable[[Parameters], int]
    warm_up: Callable[[Parameters], int] | None = None
    anchor: timedelta = timedelta(0)


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
    def warm_up(self) -> int:
        """How many first candles of history have no value."""
        indicator = load_indicator(self.function)
        return (indicator.warm_up or indicator.look_back)(self.parameters)

    @property
    def look_back(self) -> int:
        """How many candles before a candle its value depends on, whatever their interval."""
        return self._look_back(MINUTE)

    def look_back_in(self, interval: Interval) -> int:
        """Return how many candles of an interval before a candle its value depends on."""
        return self._look_back(interval.shortest)

    def columns(self) -> dict[str, pl.Expr]:
        """Return its values by stored name (``macd``, ``macd.signal``), null in the warm-up."""
        return {name: _when_warm(each, self.warm_up) for name, each in self.values().items()}

    def values(self) -> dict[str, pl.Expr]:
        """Return its values by stored name, whatever they are in the warm-up."""
        outputs = load_indicator(self.function).outputs(self.parameters)
        return {self.name + suffix: each for suffix, each in outputs.items()}

    def _look_back(self, shortest: timedelta) -> int:
        """Return the look-back in candles of at least so long."""
        indicator = load_indicator(self.function)
        # The candle itself is one of those since the anchor.
        n_anchored = max(-(-indicator.anchor // shortest) - 1, 0)
        return indicator.look_back(self.parameters) + n_anchored


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
    ready = with_ticks(candles)
    values = [(indicator, indicator.values()) for indicator in indicators]
    found = ready.with_columns(**{name: each for _, outputs in values for name, each in outputs.items()})
    # Most have no value there anyway: what is null already is not written anew.
    early = {
        name: _when_warm(pl.col(name), indicator.warm_up)
        for indicator, outputs in values
        for name in outputs
        if (head := found[name].head(indicator.warm_up)).null_count() < len(head)
    }
    found = found.with_columns(**early) if early else found
    return found if ready is candles else found.drop(OF_CLOSE)


def _when_warm(values: pl.Expr, warm_up: int) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) >= warm_up).then(values).otherwise(None)
