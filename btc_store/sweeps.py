"""Read what a sweep needs from stored minutes: once per symbol, with the warm-up of all that is tried."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from btc_core.decide import Completeness
from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import MINUTE, TimeRange, format_time
from btc_core.partitions import candles_closed_in
from btc_core.resample import resample
from btc_core.strategy import NamedStrategy
from btc_core.sweep_trial import Arena, prepare_arena
from btc_store.derive import read_no_trade
from btc_store.frames import Frames, read_candles

# Outages leave out candles, so the warm-up is looked for in this many times its length.
_WARM_UP_REACH = 2
_PRICES = ("time", "open", "high", "low", "close")


def read_arenas(
    frames: Frames,
    symbol: str,
    intervals: Sequence[Interval],
    strategies: Sequence[NamedStrategy],
    *,
    range_: TimeRange,
    rule: Completeness,
    config: BacktestConfig,
) -> list[Arena]:
    """Return what trials of a symbol share, one arena per interval; the minutes are read once and shared by all.

    Args:
        frames: The database.
        symbol: Whose minutes.
        intervals: Of the candles that are decided on.
        strategies: All that will be tried.
        range_: What is simulated.
        rule: When a candle with missing minutes is decided on.
        config: Capital, costs and rules.

    Raises:
        DataError: If no candle of an interval closes in the range.
    """
    opened = {interval: _owned(interval, range_) for interval in intervals}
    counts = {interval: _look_backs(strategies, interval) for interval in intervals}
    minutes, start = _with_warm_up(frames, symbol, opened, counts, end=range_.end)
    candles = {i: _candles(minutes, i, start, owned.end) for i, owned in opened.items()}
    others = {
        interval: {other: _candles(minutes, other, start, other.floor(owned.end)) for other in counts[interval]}
        for interval, owned in opened.items()
    }
    prices = minutes.select(_PRICES).filter(pl.col("time") >= range_.start).rechunk()
    # Volume, trades and the warm-up are done with: from here on only prices are kept.
    del minutes
    return [
        prepare_arena(
            candles[interval],
            prices,
            symbol=symbol,
            interval=interval,
            others=others[interval],
            no_trade=read_no_trade(frames, symbol, interval, candles[interval]),
            rule=rule,
            since=opened[interval].start,
            range_=range_,
            config=config,
        )
        for interval in intervals
    ]


def _owned(interval: Interval, range_: TimeRange) -> TimeRange:
    owned = candles_closed_in(range_, interval)
    if owned is None:
        raise DataError(
            f"no {interval} candle closes between {format_time(range_.start)} and {format_time(range_.end)}: "
            "choose a longer range or a shorter interval"
        )
    return owned


def _look_backs(strategies: Sequence[NamedStrategy], interval: Interval) -> dict[Interval, int]:
    """Return how many candles before the range the strategies look at, by interval, their own among them."""
    counts = {interval: max(strategy.look_back_in(interval) for strategy in strategies)}
    for strategy in strategies:
        for other in strategy.also:
            counts[other] = max(counts.get(other, 0), strategy.look_back_at(other) + 1)
    return counts


def _with_warm_up(
    frames: Frames,
    symbol: str,
    opened: Mapping[Interval, TimeRange],
    counts: Mapping[Interval, Mapping[Interval, int]],
    *,
    end: datetime,
) -> tuple[pl.DataFrame, datetime]:
    """Return the minutes of the range and of enough candles before it, as far as they are stored, and their start."""
    wanted = [(opened[own].start, other, n) for own, each in counts.items() for other, n in each.items()]
    first = min(begin for begin, _other, _n in wanted)
    start = min(other.floor(begin - other.longest * n) for begin, other, n in wanted)
    while True:
        minutes = read_candles(frames, symbol, ONE_MINUTE, TimeRange(start, end))
        is_enough = all(_candles(minutes, i, start, i.floor(begin)).height >= n for begin, i, n in wanted)
        if is_enough or not frames.read("newest_minute_before", symbol, start).height:
            return minutes, start
        start = first - (first - start) * _WARM_UP_REACH - MINUTE


def _candles(minutes: pl.DataFrame, interval: Interval, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the candles that open in a range; one that the minutes' start cuts through is none."""
    time = interval.floor(start)
    first = start if time == start else interval.close_of(time)
    return resample(minutes.filter(pl.col("time").is_between(first, end, closed="left")), interval)
