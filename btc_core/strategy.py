"""What a strategy is: closed candles and indicators in, wanted exposure out. Each has a file in ``strategies``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, TypeVar

import polars as pl

from btc_core.errors import BtcError, PluginError
from btc_core.indicator import NamedIndicator
from btc_core.model.interval import Interval, parse_interval
from btc_core.parameters import Number, Parameter, Parameters, resolve_parameters
from btc_core.plugins import fault_of, file_of, load_plugin
from btc_core.step import Step

# Its files are the strategies; those of a folder outside are added to them (btc_core.plugins.add_folder).
PACKAGE = "btc_core.strategies"

Result = TypeVar("Result")


# The least and the most that an exposure may be; null where there is no such bound.
Bounds = tuple[pl.Expr, pl.Expr]


def _nothing(_parameters: Parameters) -> int:
    return 0


def _no_others(_parameters: Parameters) -> Mapping[str, list[NamedIndicator]]:
    return {}


def _left_to_steps(_parameters: Parameters) -> pl.Expr:
    return pl.lit(None, pl.Float64)


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
        bounds: Where ``wanted`` is null, the least and the most that the kept exposure may be: a rule can end a long
            and leave a short alone (at most 0), or buy and never sell (at least). Null is no bound.
        look_back: How many candles before a candle its own expressions look at (a shift), beside its indicators.
        also: Indicators over candles of other intervals, by label. Their newest candle that is closed by then stands
            beside each of its own: ``1d.close``, and ``1d.<indicator>`` for each (``btc_core.across``).
        of: What its exposure is a share of: the equity, or the capital that is spent (docs/adr/0019).
    """

    description: str
    parameters: Mapping[str, Parameter]
    indicators: Callable[[Parameters], list[NamedIndicator]]
    wanted: Callable[[Parameters], pl.Expr] = _left_to_steps
    confidence: Callable[[Parameters], pl.Expr] = _left_to_steps
    bounds: Callable[[Parameters], Bounds] | None = None
    step: Callable[[Parameters], Step] | None = None
    look_back: Callable[[Parameters], int] = _nothing
    also: Callable[[Parameters], Mapping[str, list[NamedIndicator]]] = _no_others
    of: Literal["equity", "capital"] = "equity"

    def __post_init__(self) -> None:
        """Refuse a rule that says nothing, or speaks in both ways."""
        if (self.step is None) == (self.wanted is _left_to_steps):
            raise TypeError("expected a Strategy to have either wanted and confidence, or step")

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
            wanted=self.wanted if self.step else filled(self.wanted),
            confidence=self.confidence if self.step else filled(self.confidence),
            bounds=filled(self.bounds) if self.bounds else None,
            step=filled(self.step) if self.step else None,
            look_back=filled(self.look_back),
            also=filled(self.also),
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
    def also(self) -> dict[Interval, list[NamedIndicator]]:
        """The indicators that it needs over candles of other intervals."""
        return {parse_interval(label): each for label, each in self.rule.also(self.parameters).items()}

    @property
    def columns(self) -> list[str]:
        """The names of what it sees beside its own candle: what a decision's snapshot holds."""
        own = [name for indicator in self.indicators for name in indicator.columns()]
        others = [
            f"{other}.{name}"
            for other, each in self.also.items()
            for name in ("close", *(name for indicator in each for name in indicator.columns()))
        ]
        return [*own, *others]

    def look_back_at(self, other: Interval) -> int:
        """Return how many candles of another interval before its newest one its opinion depends on."""
        return max((indicator.look_back_in(other) for indicator in self.also[other]), default=0)

    def reach_in(self, interval: Interval) -> int:
        """Return on how many candles after a changed one, of whatever interval, it may say another thing."""
        longest = max((other.longest * (self.look_back_at(other) + 1) for other in self.also), default=timedelta(0))
        return max(self.look_back_in(interval), -(-longest // interval.shortest))

    @property
    def warm_up(self) -> int:
        """How many first candles of history it has no opinion on."""
        own = self.rule.look_back(self.parameters)
        return own + max((indicator.warm_up for indicator in self.indicators), default=0)

    @property
    def step(self) -> Step | None:
        """How it goes from candle to candle, if it does."""
        return None if self.rule.step is None else self.rule.step(self.parameters)

    def opinion(self) -> dict[str, pl.Expr]:
        """Return what it says of a candle without what went before, by column.

        That is what ``wants`` has, and ``confidence``; of a rule of steps only what a step reads.
        """
        said = self.wants()
        if self.rule.step is None:
            said["confidence"] = self.rule.confidence(self.parameters).fill_null(0.0)
        return said

    def wants(self) -> dict[str, pl.Expr]:
        """Return what its exposure hangs on: ``wanted``, and bounds ``at_least``, ``at_most``; or what a step reads."""
        step = self.step
        if step is not None:
            return step.columns
        said = {"wanted": self.rule.wanted(self.parameters)}
        if self.rule.bounds is not None:
            said["at_least"], said["at_most"] = self.rule.bounds(self.parameters)
        return said

    def look_back_in(self, interval: Interval) -> int:
        """Return how many candles of an interval before a candle its opinion depends on."""
        own = self.rule.look_back(self.parameters)
        return own + max((indicator.look_back_in(interval) for indicator in self.indicators), default=0)


def load_strategy(name: str, given: Mapping[str, object]) -> NamedStrategy:
    """Return the strategy in ``btc_core/strategies/<name>.py`` with its parameters.

    Raises:
        UnknownNameError: If there is no such strategy or parameter.
        InputError: If a parameter is out of range.
        PluginError: If its file cannot be used.
    """
    rule: object = load_plugin(PACKAGE, "STRATEGY", name)
    if not isinstance(rule, Strategy):
        raise PluginError(file_of(PACKAGE, name), f"expected STRATEGY to be a Strategy, found {type(rule).__name__}")
    strategy = NamedStrategy(name, rule, resolve_parameters(f"strategy {name}", rule.parameters, given))
    try:
        # Asked here, so that parameters that do not go together are told of before anything is read.
        strategy.opinion()
    except BtcError:
        raise
    except Exception as error:  # the rule may be anybody's, and do anything
        file = file_of(PACKAGE, name)
        raise PluginError(file, fault_of(error, file)) from error
    return strategy
