"""Looking across intervals: beside each candle the newest one of another interval that was closed by then (law 6).

The same lines serve the live lane, Dagster and backtests. Who reads the other candles asks ``needed`` which; who knows
that some of them changed asks ``reached`` at which candles it shows first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias

import polars as pl

from btc_core.indicator import NamedIndicator, with_indicators
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, merge_ranges
from btc_core.resample import close_time, open_time
from btc_core.strategy import NamedStrategy

# Candles of other intervals, ascending.
Others: TypeAlias = Mapping[Interval, pl.DataFrame]

NO_OTHERS: Others = MappingProxyType({})
_INSTANT = timedelta(microseconds=1)


def with_others(candles: pl.DataFrame, others: Others, strategy: NamedStrategy) -> pl.DataFrame:
    """Return candles with what a strategy sees of other intervals at each close.

    Args:
        candles: With ``close_time``, ascending.
        others: What ``needed`` asks for.
        strategy: Which intervals, and which indicators of them.

    Returns:
        The candles with ``<interval>.close`` and the indicators; ``is_seen``: whether every interval has a candle by
        then that is out of its warm-up; ``awaited_time``: the close of a newer one that is not there, null where none
        is missing.
    """
    seen: list[pl.Expr] = [pl.lit(value=True)]
    awaited: list[pl.Expr] = [pl.lit(None, candles.schema["close_time"])]
    for other, indicators in strategy.also.items():
        known = f"{other}.close_time"
        shown = _shown(others[other], other, indicators)
        candles = candles.join_asof(shown, left_on="close_time", right_on=known, strategy="backward", coalesce=False)
        newest = open_time(pl.col("close_time"), other)
        seen.append(pl.col(known).is_not_null())
        awaited.append(pl.when(pl.col(known) < newest).then(newest))
    return candles.with_columns(is_seen=pl.all_horizontal(seen), awaited_time=pl.max_horizontal(awaited))


def needed(strategy: NamedStrategy, *, first: datetime, last: datetime) -> dict[Interval, tuple[TimeRange, int]]:
    """Return which candles of other intervals a strategy looks at from one close to another.

    Returns:
        For each interval the open times of the candles that close meanwhile, and how many existing ones before them.
    """
    return {
        other: (TimeRange(other.floor(first) - _INSTANT, other.floor(last)), strategy.look_back_at(other) + 1)
        for other in strategy.also
    }


def reached(
    strategy: NamedStrategy, interval: Interval, spans: Mapping[Interval, Sequence[TimeRange]]
) -> list[TimeRange]:
    """Return the spans of an interval's candles at which a change of candles shows first, merged and ascending.

    Args:
        strategy: Who looks at them.
        interval: The candles that it decides on.
        spans: Open times of the candles that changed, by interval.
    """
    found = [*spans.get(interval, ())]
    for other in strategy.also:
        for span in spans.get(other, ()):
            first, last = other.close_of(other.floor(span.start)), other.close_of(other.floor(span.end - _INSTANT))
            found.append(interval.cover(TimeRange(first - _INSTANT, last)))
    return merge_ranges(found)


def _shown(candles: pl.DataFrame, other: Interval, indicators: list[NamedIndicator]) -> pl.DataFrame:
    """Return what is seen of an interval, by the time from which it is known."""
    names = ["close", *(name for indicator in indicators for name in indicator.columns())]
    warm_up = max((indicator.warm_up for indicator in indicators), default=0)
    return (
        with_indicators(candles, indicators)
        .slice(warm_up)
        .select(
            close_time(pl.col("time"), other).alias(f"{other}.close_time"),
            *(pl.col(n).alias(f"{other}.{n}") for n in names),
        )
    )
