"""Read what a sweep needs from stored minutes: once per symbol, with the warm-up of all that is tried.

A ``Ground`` is what arenas are cut from: the whole range is one, each window of a walk-forward another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from btc_core.across import Others
from btc_core.decide import Completeness
from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, format_time
from btc_core.partitions import candles_closed_in
from btc_core.strategy import NamedStrategy
from btc_core.sweep_trial import Arena, prepare_arena
from btc_store.derive import read_no_trade
from btc_store.frames import Frames
from btc_store.funding import read_funding
from btc_store.lake import Lake
from btc_store.warm_up import candles_from, read_with_warm_up

_PRICES = ("time", "open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is read once for a symbol and an interval.

    Attributes:
        symbol, interval: Which.
        candles: Closed candles with the longest look-back before the range, ascending.
        others: Those of the intervals that are looked at beside.
        look_backs: How many candles before a window its trials look at, by interval.
        prices: The minutes of the range; all grounds of a symbol share them.
        no_trade: Minutes that are not stored and known to be without trades.
        funding: As ``btc_core.simulator.market.prepare`` takes it.
        rule: When a candle with missing minutes is decided on.
    """

    symbol: str
    interval: Interval
    candles: pl.DataFrame
    others: Others
    look_backs: dict[Interval, int]
    prices: pl.DataFrame
    no_trade: pl.Series
    funding: pl.DataFrame | None
    rule: Completeness

    def arena(self, range_: TimeRange, config: BacktestConfig) -> Arena:
        """Return what trials over a range share; nothing in it is later than the range.

        Raises:
            DataError: If no candle closes in the range.
        """
        opened = _owned(self.interval, range_)
        own = self._cut(self.candles, self.interval, opened.start, opened.end)
        others = {
            other: self._cut(candles, other, other.floor(opened.start), other.floor(opened.end))
            for other, candles in self.others.items()
        }
        return prepare_arena(
            own,
            self.prices,
            symbol=self.symbol,
            interval=self.interval,
            others=others,
            no_trade=self.no_trade,
            rule=self.rule,
            since=opened.start,
            range_=range_,
            config=config,
            funding=None if config.mode is Mode.SPOT else self.funding,
        )

    def _cut(self, candles: pl.DataFrame, interval: Interval, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the candles that open in a range and those looked at before it."""
        first, stop = (candles["time"].search_sorted(instant, side="left") for instant in (start, end))
        first = max(0, first - self.look_backs[interval])
        return candles.slice(first, stop - first)


def read_grounds(
    frames: Frames,
    symbol: str,
    intervals: Sequence[Interval],
    strategies: Sequence[NamedStrategy],
    *,
    range_: TimeRange,
    rule: Completeness,
    lake: Lake | None = None,
) -> list[Ground]:
    """Return what trials of a symbol are cut from, one ground per interval; the minutes are read once, shared by all.

    Args:
        frames: The database.
        symbol: Whose minutes.
        intervals: Of the candles that are decided on.
        strategies: All that will be tried.
        range_: What is simulated.
        rule: When a candle with missing minutes is decided on.
        lake: Where closed months may be read.

    Raises:
        DataError: If no candle of an interval closes in the range.
    """
    opened = {interval: _owned(interval, range_) for interval in intervals}
    counts = {interval: _look_backs(strategies, interval) for interval in intervals}
    wanted = [(opened[own].start, other, n) for own, each in counts.items() for other, n in each.items()]
    minutes, start = read_with_warm_up(frames, symbol, wanted, end=range_.end, lake=lake)
    candles = {i: candles_from(minutes, i, start, owned.end) for i, owned in opened.items()}
    beside = {other for strategy in strategies for other in strategy.also}
    others = {
        interval: {other: candles_from(minutes, other, start, other.floor(owned.end)) for other in beside}
        for interval, owned in opened.items()
    }
    prices = minutes.select(_PRICES).filter(pl.col("time") >= range_.start).rechunk()
    # Volume, trades and the warm-up are done with: from here on only prices are kept.
    del minutes
    funding = read_funding(frames, symbol, range_)
    return [
        Ground(
            symbol=symbol,
            interval=interval,
            candles=candles[interval],
            others=others[interval],
            look_backs=counts[interval],
            prices=prices,
            no_trade=read_no_trade(frames, symbol, interval, candles[interval]),
            funding=funding,
            rule=rule,
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
