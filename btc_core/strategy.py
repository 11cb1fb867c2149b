"""What a strategy is: closed candles and indicators in, wanted exposure out. Each has a file in ``strategies``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Number, Parameter, Parameters, resolve_parameters
from btc_core.plugins import load_plugin

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A rule to trade by.

    Attributes:
        description: What it does, for people, in a sentence; with its source.
        parameters: What it is tuned by.
        indicators: What it needs beside the candles.
        wanted: The exposure it wants in [-1, 1], as an expression over candles and indicators. Null where it has no
            opinion: the present exposure is kept.
        confidence: How sure it is, in [0, 1].
    """

    description: str
    parameters: Mapping[str, Parameter]
    indicators: Callable[[Parameters], list[NamedIndicator]]
    wanted: Callable[[Parameters], pl.Expr]
    confidence: Callable[[Parameters], pl.Expr]

    def fixed(self, *, description: str, **values: Number) -> "Strategy":
        """Return the same rule with some parameters set for good."""
        free = {name: parameter for name, parameter in self.parameters.items() if name not in values}

        def filled(function: Callable[[Parameters], Result]) -> Callable[[Parameters], Result]:
            return lambda given: function({**given, **values})

        return replace(
            self,
            description=description,
            parameters=free,
            indicators=filled(self.indicators),
            wanted=filled(self.wanted),
            confidence=filled(self.confidence),
        )


@dataclass(frozen=True, slots=True)
class NamedStrategy:
    """A strategy with its parameters filled in."""

    name: str
    rule: Strategy
    parameters: Parameters

    @property
    def indicators(self) -> list[NamedIndicator]:
        """What it needs beside the candles."""
        return self.rule.indicators(self.parameters)

    @property
    def look_back(self) -> int:
        """How many candles before a candle its opinion depends on."""
        return max((indicator.look_back for indicator in self.indicators), default=0)


def load_strategy(name: str, given: Mapping[str, object]) -> NamedStrategy:
    """Return the strategy in ``btc_core/strategies/<name>.py`` with its parameters.

    Raises:
        UnknownNameError: If there is no such strategy or parameter.
        InputError: If a parameter is out of range.
    """
    rule: Strategy = load_plugin("btc_core.strategies", "STRATEGY", name)
    return NamedStrategy(name, rule, resolve_parameters(f"strategy {name}", rule.parameters, given))
