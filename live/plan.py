"""What the lane derives and checks: the configuration, with every function found and every parameter filled in."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from btc_core.check import Turn, load_checks
from btc_core.config import Config, PaperConfig
from btc_core.decide import Completeness
from btc_core.enabled import enabled
from btc_core.indicator import NamedIndicator, configured_indicator
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_core.strategy import NamedStrategy, load_strategy
from btc_store.checks import PlacedCheck, place_checks
from btc_store.derive import completeness_of
from btc_store.live_state import served

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What there is to derive.

    Attributes:
        symbols: The configured ones; others are left alone.
        intervals: Shortest first.
        indicators: By interval; an interval without any is left out.
        strategies: By interval.
        checks: Those of every run.
        paper: The terms of the accounts that follow the decisions.
        rule: When a candle with missing minutes is decided on.
        history: What there are partitions for; minutes before it are stored and not derived.
        serves: The name of all this.
    """

    symbols: tuple[str, ...]
    intervals: tuple[Interval, ...]
    indicators: dict[Interval, list[NamedIndicator]]
    strategies: dict[Interval, list[NamedStrategy]]
    checks: tuple[PlacedCheck, ...]
    paper: PaperConfig
    rule: Completeness
    history: TimeRange
    serves: str


def plan_of(config: Config) -> Plan:
    """Return what a configuration asks for. A strategy whose file is broken is left out: it must not stop the others.

    Raises:
        UnknownNameError: If a function, a strategy or a parameter does not exist.
        InputError: If a parameter is out of range.
    """
    serves = served(config)
    config, broken = enabled(config)
    for error in broken:
        logger.error("strategy left out", extra={"file": error.file, "fault": error.fault})
    kept = [(configured_indicator(name, entry), entry.intervals) for name, entry in config.indicators.items()]
    decide = [(load_strategy(name, entry.parameters), entry.intervals) for name, entry in config.strategies.items()]
    intervals = config.derived_intervals
    indicators = {i: [named for named, labels in kept if i.label in labels] for i in intervals}
    strategies = {i: [named for named, labels in decide if i.label in labels] for i in intervals}
    return Plan(
        symbols=tuple(config.symbols),
        intervals=intervals,
        indicators={i: each for i, each in indicators.items() if each},
        strategies={i: each for i, each in strategies.items() if each},
        checks=tuple(
            each for each in place_checks(config, load_checks(config.quality)) if each.check.rule.turn == Turn.EVERY_RUN
        ),
        paper=config.paper,
        rule=completeness_of(config),
        history=TimeRange(config.history_start_time, datetime.max.replace(tzinfo=UTC)),
        serves=serves,
    )
