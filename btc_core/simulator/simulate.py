"""Decisions and 1m candles in, trades, equity and figures out.

What fills when is prepared in ``btc_core.simulator.market``, what a fill does is in ``btc_core.simulator.kernel``;
docs/backtests.md explains both.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from btc_core import metrics
from btc_core.errors import DataError
from btc_core.model.backtest import BPS, BacktestConfig, BacktestResults, Mode
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from btc_core.simulator.layout import ACCOUNT, FILL, Floats, Indices, frozen, most_fills, terms_of
from btc_core.simulator.market import (
    UTC_TIME,
    Market,
    daily_average_cost,
    decisions_in,
    floats,
    prepare,
    refuse_off_grid,
    us,
)
from btc_core.simulator.trades import fills_of, trades_of


@dataclass(frozen=True, slots=True)
class Simulation:
    """What following the decisions would have earned.

    Attributes:
        trades: One row per trade, flat to flat, ascending; the columns of ``btc_core.model.backtest.Trade``.
        equity: ``time, equity, drawdown, exposure``: one row per decision and one at the end of the range.
        fills: ``time, price, quantity, fee, reason, funding, slippage``, ascending; bought is positive.
        results: The figures.
    """

    trades: pl.DataFrame
    equity: pl.DataFrame
    fills: pl.DataFrame
    results: BacktestResults


class Played(NamedTuple):
    """What the kernel says.

    Attributes:
        log: The fills, records of ``layout.FILL``, ascending.
        time: When each of them was, microseconds since 1970.
        final_equity: What is left when the last position is closed.
        n_unfilled: Orders that were too small to be sent.
    """

    log: Any
    time: Indices
    final_equity: float
    n_unfilled: int


@dataclass(frozen=True, slots=True)
class Course:
    """The fills, and the account at each decision.

    Attributes:
        log: Records of ``layout.FILL``, ascending.
        equity: At each decision and, last, at the end; quote currency.
        exposure: Position ÷ equity there, signed, leverage included; 0 where nothing is left.
        n_unfilled: Orders that were too small to be sent.
    """

    log: np.ndarray
    equity: Floats
    exposure: Floats
    n_unfilled: int


def simulate(
    decisions: pl.DataFrame,
    minutes: pl.DataFrame,
    config: BacktestConfig,
    *,
    range_: TimeRange,
    interval: Interval,
    funding: pl.DataFrame | None = None,
    resolution: Interval = ONE_MINUTE,
) -> Simulation:
    """Return what following the decisions over a range would have earned.

    A change of the wanted exposure fills at the open of the first 1m candle at or after ``close_time`` and the
    configured delay; changes that wait for the same candle (a gap) count as the last of them. The quantity is set there
    and held until the next change. Within a minute funding comes first, then the fill, then the extremes, and those may
    liquidate the position, stop it or reach its target: flat until the wanted exposure changes. What is open at the end
    is closed at the last minute's close.

    Shape: a decision belongs to the range if ``start < close_time <= end``, a minute if ``start <= time < end``; other
    rows are left out. Unit: prices and money in quote currency. Cost: linear in rows.

    Args:
        decisions: ``close_time`` (UTC), ``exposure`` (wanted position ÷ equity before leverage, in [−1, 1]; in spot
            mode the share of the money that is put in, below 0 is 0) and ``price`` (the candle's close); ascending, one
            row per evaluated candle.
        minutes: ``time`` (UTC), ``open``, ``high``, ``low``, ``close`` of 1m candles, ascending; a gap is no row.
        config: Capital, costs and rules.
        range_: What is simulated; before it the account is flat.
        interval: Of the decided candles, which every ``close_time`` must be a close of.
        funding: ``time`` (UTC) and ``funding_rate`` of each settlement that is known, ascending; None: of none.
        resolution: What the rows of ``minutes`` are. The candles themselves instead of minutes give the fill rule of
            most other libraries: the next candle's open, extremes of whole candles.

    Raises:
        DataError: If times do not ascend or lie off the grid, or a value is missing or out of bounds.
    """
    time, decided = decisions_in(decisions, range_)
    exposure = floats(decided, "exposure")
    if len(exposure) and np.abs(exposure).max() > 1:
        raise DataError(f"decisions: expected an exposure in [-1, 1], found {exposure[np.abs(exposure).argmax()]}")
    refuse_off_grid(decided, time, interval)
    known = None if config.mode is Mode.SPOT else funding
    market = prepare(
        decided, minutes, range_=range_, delay_minutes=config.delay_minutes, funding=known, resolution=resolution
    )
    return describe(market, follow(market, exposure, config), config)


def play(market: Market, exposure: Floats, config: BacktestConfig) -> Played:
    """Return the fills of following a wanted exposure through a market; a sweep calls this many times.

    Args:
        market: Prepared once, with the configuration's delay.
        exposure: The wanted one after each decision of the market, in [−1, 1].
        config: Capital, costs and rules.
    """
    # Loads numba: only what simulates pays for it.
    from btc_core.simulator import kernel

    wanted = frozen(np.maximum(exposure, 0.0) if config.mode is Mode.SPOT else np.asarray(exposure, np.float64))
    log = np.empty(most_fills(wanted), FILL).view(np.recarray)
    account = np.zeros(1, ACCOUNT).view(np.recarray)[0]
    account.cash = config.capital
    account.free = -math.inf if config.mode is Mode.SPOT else config.capital
    kernel.follow(account, log, market.minutes, market.stretches, wanted, terms_of(config))
    log = log[: account.n_fills]
    return Played(log, frozen(market.instants(log["minute"])), float(account.cash), int(account.n_unfilled))


def get_ready() -> None:
    """Load what is compiled, before it is needed: half a second that a thread spends while minutes are read."""
    range_ = TimeRange(EPOCH, EPOCH + 2 * MINUTE)
    times = pl.Series([EPOCH, EPOCH + MINUTE], dtype=UTC_TIME)
    minutes = pl.DataFrame({"time": times, **{name: [1.0, 1.0] for name in ("open", "high", "low", "close")}})
    decisions = pl.DataFrame({"close_time": times[1:], "price": [1.0]})
    config = BacktestConfig()
    market = prepare(decisions, minutes, range_=range_)
    describe(market, follow(market, np.ones(1), config), config)


def follow(market: Market, exposure: Floats, config: BacktestConfig) -> Course:
    """Return what following a wanted exposure through a market does to an account; arguments as of ``play``."""
    from btc_core.simulator import kernel

    played = play(market, exposure, config)
    marks = market.marks
    n = len(marks[0])
    equity, held = np.empty(n + 1), np.zeros(n + 1)
    equity[n] = played.final_equity
    kernel.mark(equity[:n], held[:n], played.log, played.time, *marks, float(config.capital), 0.0, 0.0)
    return Course(played.log, equity, held, played.n_unfilled)


def describe(market: Market, course: Course, config: BacktestConfig) -> Simulation:
    """Return a course as frames and figures."""
    trades, fills = trades_of(course.log, market), fills_of(course.log, market)
    end = us(market.range_.end)
    peak = np.maximum(np.maximum.accumulate(course.equity), config.capital)
    # A decision at the very end gives way to the end's point, in which the last position is closed.
    points = np.append(market.close_time[: len(course.equity) - 1], end)
    equity = pl.DataFrame(
        {
            "time": points,
            "equity": course.equity,
            "drawdown": 1 - course.equity / peak,
            "exposure": course.exposure,
        }
    ).with_columns(pl.col("time").cast(UTC_TIME))
    is_spot, has_minutes = config.mode is Mode.SPOT, len(market.time) > 0
    facts = metrics.Facts(
        range_=market.range_,
        n_candles=len(market.close_time),
        first_open=float(market.minutes.open[0]) if has_minutes else None,
        last_close=market.minutes.last_close if has_minutes else None,
        n_missing_minutes=market.n_missing_minutes,
        is_spot=is_spot,
        is_funding_known=is_spot or market.is_funding_known,
        funding_missing_hours=0 if is_spot else market.funding_missing_hours,
        n_unfilled=course.n_unfilled,
        dca_average_cost=daily_average_cost(market, slippage=config.slippage_bps / BPS, fee=config.taker_bps / BPS),
    )
    figures = metrics.results(equity, trades, fills, capital=config.capital, facts=facts)
    return Simulation(trades, equity, fills, figures)
