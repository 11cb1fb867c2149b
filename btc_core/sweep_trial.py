"""One trial of a sweep: decisions by the one code path, the kernel, figures. And many of them on threads.

What trials of one symbol and interval share is in an ``Arena``: the candles, which of them are decided on, and the
market. It is prepared once and only read. The kernel and Polars both run without the interpreter's lock.
"""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from btc_core.across import Others
from btc_core.decide import Completeness, kept, labelled, said, split_by_completeness
from btc_core.errors import DataError
from btc_core.gaps import with_no_trade
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import close_time, expected_minutes
from btc_core.simulator.layout import Floats
from btc_core.simulator.market import Market, prepare
from btc_core.simulator.outcome import Outcome, outcome_of, returns_of
from btc_core.step import exposures_of
from btc_core.strategy import NamedStrategy
from btc_core.sweep import Place

# So many trials wait for each thread: it never runs dry, and memory does not grow with the sweep.
_AHEAD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """What the trials of a symbol and an interval share.

    Attributes:
        symbol, interval: Which.
        candles: Closed candles, ascending, with the longest look-back of any trial before the range; labelled.
        others: Those of other intervals that the strategy looks at.
        is_decided: For each candle whether it is decided on: in the range and complete enough (law 4).
        market: The range, as those candles meet it.
        config: Capital, costs and rules.
    """

    symbol: str
    interval: Interval
    candles: pl.DataFrame
    others: Others
    is_decided: pl.Series
    market: Market
    config: BacktestConfig


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination that is or was tried.

    Attributes:
        arena: Where.
        place: In the grid of parameters.
        strategy: With the parameters of that place.
        outcome: What it earned; None before it was tried.
    """

    arena: Arena
    place: Place
    strategy: NamedStrategy
    outcome: Outcome | None = None


def prepare_arena(
    candles: pl.DataFrame,
    minutes: pl.DataFrame,
    *,
    symbol: str,
    interval: Interval,
    others: Others,
    no_trade: pl.Series,
    rule: Completeness,
    since: datetime,
    range_: TimeRange,
    config: BacktestConfig,
    funding: pl.DataFrame | None = None,
) -> Arena:
    """Return what the trials of a symbol and an interval share.

    Args:
        candles: Closed candles, ascending, with the longest look-back of any trial before ``since``.
        minutes: The 1m candles of the range; more of them are left out.
        symbol: Which.
        interval: The candles' interval.
        others: As ``btc_core.decide.evaluate`` takes them.
        no_trade: Minutes that are not stored and known to be without trades.
        rule: When a candle with missing minutes is decided on.
        since: The open time of the first candle that counts.
        range_: What is simulated.
        config: Capital, costs and rules.
        funding: As ``btc_core.simulator.market.prepare`` takes it.

    Raises:
        DataError: If times do not ascend or a value is missing.
    """
    known = with_no_trade(candles, no_trade, interval).select(
        "time",
        "minutes",
        "no_trade_minutes",
        close_time=close_time(pl.col("time"), interval),
        expected_minutes=expected_minutes(pl.col("time"), interval),
        price=pl.col("close"),
        awaited_time=pl.lit(None, candles.schema["time"]),
    )
    # As in a backtest: history waits for nothing.
    now = range_.end + rule.wait + timedelta(microseconds=1)
    decided, _ = split_by_completeness(known.filter(pl.col("time") >= since), rule, now=now)
    return Arena(
        symbol=symbol,
        interval=interval,
        # In one piece: a frame in two would be glued anew at every step of every trial.
        candles=labelled(candles, interval).rechunk(),
        others=others,
        is_decided=candles["time"].is_in(decided["time"].implode()).rechunk(),
        market=prepare(decided, minutes, range_=range_, delay_minutes=config.delay_minutes, funding=funding),
        config=config,
    )


def exposure_of(arena: Arena, strategy: NamedStrategy) -> Floats:
    """Return the exposure that a strategy wants after each decision of an arena's market; flat during its warm-up.

    Raises:
        DataError: If it wants an exposure beyond 1.
    """
    step = strategy.step
    opinion = said(arena.candles, strategy, arena.others, strategy.wants())
    # The warm-up is absent, and nothing else: what is there are the last candles.
    opinion = _decided(opinion, arena.is_decided.tail(opinion.height))
    wanted = kept(opinion, before=0.0).to_numpy() if step is None else exposures_of(opinion, step)
    if len(wanted) and max(wanted.max(), -wanted.min()) > 1:
        raise DataError(f"decisions: expected an exposure in [-1, 1], found {wanted[np.abs(wanted).argmax()]}")
    exposure = np.zeros(len(arena.market.close_time))
    exposure[len(exposure) - len(wanted) :] = wanted
    return exposure


def _decided(opinion: pl.DataFrame, is_decided: pl.Series) -> pl.DataFrame:
    """Return the rows that are decided on; without copying them where they lie together, as mostly."""
    n, first = int(is_decided.sum()), is_decided.arg_max() or 0
    return opinion.slice(first, n) if is_decided.slice(first, n).all() else opinion.filter(is_decided)


def tried(trial: Trial) -> Trial:
    """Return a trial with what it earned."""
    arena = trial.arena
    outcome = outcome_of(arena.market, exposure_of(arena, trial.strategy), arena.config)
    return Trial(arena, trial.place, trial.strategy, outcome)


def daily_returns_of(trial: Trial) -> Floats:
    """Return what a trial earned on each day. It is run again: a sweep keeps no curves."""
    arena = trial.arena
    return returns_of(arena.market, exposure_of(arena, trial.strategy), arena.config)


def try_all(trials: Iterable[Trial], *, n_threads: int) -> Generator[Trial]:
    """Try trials on threads; each comes back in its turn, so the order and the figures do not hang on the threads.

    Whoever stops listening stops the rest: what is running ends, what waits is dropped.
    """
    waiting: deque[Future[Trial]] = deque()
    pool = ThreadPoolExecutor(n_threads)
    try:
        for trial in trials:
            waiting.append(pool.submit(tried, trial))
            if len(waiting) >= n_threads * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
