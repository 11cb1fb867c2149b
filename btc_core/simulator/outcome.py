"""The figures by which a sweep compares many courses: of the log and the curve alone, without frames of trades.

They are those of ``btc_core.metrics.results`` to the last bit; a test holds the two together.
"""

import msgspec
import numpy as np
import polars as pl

from btc_core import metrics
from btc_core.model.backtest import BacktestConfig, ExitReason
from btc_core.simulator.layout import REASONS, Floats
from btc_core.simulator.market import Market, us
from btc_core.simulator.rounds import rounds_of
from btc_core.simulator.simulate import Course

_LIQUIDATION = REASONS.index(ExitReason.LIQUIDATION)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a course earned: fractions and quote currency, named and defined as in ``BacktestResults``."""

    total_return: float
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    n_trades: int
    win_rate: float | None
    profit_factor: float | None
    exposure_time: float
    final_equity: float
    n_liquidations: int


def outcome_of(course: Course, market: Market, config: BacktestConfig) -> Outcome:
    """Return the figures of a course.

    Args:
        course: From ``follow``.
        market: What it went through.
        config: What it was followed with.
    """
    worth = np.concatenate(([config.capital], course.equity))
    returns = returns_of(course, market, config)
    rounds, minute = rounds_of(course.log), course.log["minute"]
    held = {"entry_time": market.instants(minute[rounds.first]), "exit_time": market.instants(minute[rounds.last])}
    return Outcome(
        total_return=metrics.total_return(config.capital, float(worth[-1])),
        sharpe=metrics.sharpe(returns),
        sortino=metrics.sortino(returns),
        max_drawdown=metrics.max_drawdown(worth),
        n_trades=len(rounds.pnl),
        win_rate=metrics.win_rate(rounds.pnl),
        profit_factor=metrics.profit_factor(rounds.pnl),
        exposure_time=metrics.exposure_time(pl.DataFrame(held), market.range_),
        final_equity=float(worth[-1]),
        n_liquidations=int(np.count_nonzero(course.log["reason"][rounds.last] == _LIQUIDATION)),
    )


def returns_of(course: Course, market: Market, config: BacktestConfig) -> Floats:
    """Return what a course earned on each day, as ``btc_core.metrics.daily_returns`` defines it."""
    decided = market.close_time[: len(course.equity) - 1]
    time = np.concatenate(([us(market.range_.start)], decided, [us(market.range_.end)]))
    worth = np.concatenate(([config.capital], course.equity))
    return metrics.daily_returns(metrics.daily_equity(time, worth))
