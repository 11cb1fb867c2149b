"""A vote of several rules, which may enter in the direction of the day's trend alone.

Source: A. Elder's triple screen (Trading for a Living, 1993): the tide is read from candles five times as long or more,
and waves are traded with it. Which rules vote, and how, is ours.
"""

from types import MappingProxyType

import polars as pl

from btc_core.indicator import NamedIndicator
from btc_core.parameters import Parameter, Parameters, resolve_parameters
from btc_core.rules import SIDE, above, ending, on_side
from btc_core.strategies import ma, ma_cross, macd_trend, supertrend
from btc_core.strategy import Bounds, Strategy

# Each with its default parameters; all of them say at each close which way, or nothing at a tie.
_MEMBERS = MappingProxyType(
    {
        name: (rule, resolve_parameters(name, rule.parameters, {}))
        for name, rule in (
            ("ma", ma.STRATEGY),
            ("ma_cross", ma_cross.STRATEGY),
            ("macd_trend", macd_trend.STRATEGY),
            ("supertrend", supertrend.STRATEGY),
        )
    }
)

# A vote is a share of it, and so is its rounding (law 12): weights of 0.1, 0.2 and 0.3 do not cancel out to 0.
_WHOLE = pl.lit(1.0)


def _indicators(parameters: Parameters) -> list[NamedIndicator]:  # noqa: ARG001  # the members' own
    return [indicator for rule, own in _MEMBERS.values() for indicator in rule.indicators(own)]


def _also(parameters: Parameters) -> dict[str, list[NamedIndicator]]:
    return {"1d": [NamedIndicator("trend", "sma", {"period": parameters["days"]})]}


def _vote(parameters: Parameters) -> pl.Expr:
    """Return the mean of what the members want, by weight: from -1 to 1, 0 where all weights are 0."""
    votes = [rule.wanted(own).fill_null(0.0) * float(parameters[name]) for name, (rule, own) in _MEMBERS.items()]
    weight = sum(float(parameters[name]) for name in _MEMBERS)
    # Times the reciprocal: see btc_core.rules.planned.
    return pl.sum_horizontal(votes) * (1 / weight if weight else 0.0)


def _wanted(parameters: Parameters) -> pl.Expr:
    vote, agree = _vote(parameters), pl.lit(float(parameters["agree"]))
    # Copies of prices and their exact mean (see sma): a day that closes at its mean has no trend.
    is_up, is_down = pl.col("1d.close") > pl.col("1d.trend"), pl.col("1d.close") < pl.col("1d.trend")
    enters = (
        pl.when(is_up & above(vote, agree, size=_WHOLE))
        .then(1.0)
        .when(is_down & above(-vote, agree, size=_WHOLE))
        .then(-1.0)
    )
    return on_side(enters, parameters)


def _bounds(parameters: Parameters) -> Bounds:
    vote, tie = _vote(parameters), pl.lit(0.0)
    return ending(above(tie, vote, size=_WHOLE), above(vote, tie, size=_WHOLE))


STRATEGY = Strategy(
    description="Long where the rules' votes agree upwards and the newest closed day is above its mean, until the vote "
    "turns down; short where they agree downwards and the day is below, until the vote turns up. At a tie it stays.",
    parameters={
        "ma": Parameter(1.0, 0.0, 100.0, "weight of the price against its mean of 44"),
        "ma_cross": Parameter(1.0, 0.0, 100.0, "weight of the means of 10 and 20"),
        "macd_trend": Parameter(1.0, 0.0, 100.0, "weight of MACD against its signal"),
        "supertrend": Parameter(1.0, 0.0, 100.0, "weight of the Supertrend"),
        "agree": Parameter(0.4, 0.0, 0.999, "share of the vote (for less against) that an entry takes more than"),
        "days": Parameter(44, 2, 1_000, "1d candles in the mean that tells the trend"),
        "side": SIDE,
    },
    indicators=_indicators,
    also=_also,
    wanted=_wanted,
    bounds=_bounds,
    confidence=lambda parameters: _vote(parameters).abs(),
)
