"""The figures of a backtest: one pure function each, with formula and source; ``results`` puts them together.

Fractions, never percent. What is undefined is None: no trades, no deviation, too short a time.
"""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from btc_core.model.backtest import BacktestResults, ExitReason
from btc_core.model.timerange import EPOCH, TimeRange

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

# The market never closes: a year of returns has 365 days, and a calendar year of growth 365.25.
DAYS_PER_YEAR = 365
CALENDAR_YEAR = timedelta(days=365.25)
DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_DAY_US = DAY // _MICROSECOND
# Below this a deviation of daily returns is what float64 leaves of none at all (its epsilon is 2.2e-16).
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the figures need beside equity, trades and fills.

    Attributes:
        range_: What was simulated.
        n_candles: How many candles were decided on.
        first_open, last_close: The market's first and last price in the range; None if it has no minutes.
        n_missing_minutes: Minutes of the range that have no candle.
        is_spot: Whether the coin itself was traded.
        is_funding_known: Whether any rate of the range is.
        funding_missing_hours: How many hours of it are not.
        n_unfilled: Orders too small to be sent.
        dca_average_cost: What a unit costs by equal purchases every day.
    """

    range_: TimeRange
    n_candles: int
    first_open: float | None
    last_close: float | None
    n_missing_minutes: int
    is_spot: bool
    is_funding_known: bool
    funding_missing_hours: int
    n_unfilled: int
    dca_average_cost: float | None


def results(
    equity: pl.DataFrame, trades: pl.DataFrame, fills: pl.DataFrame, *, capital: float, facts: Facts
) -> BacktestResults:
    """Return all figures of a backtest.

    Args:
        equity: ``time`` (UTC, ascending, the last is the end of the range), ``equity`` (quote currency), ``exposure``.
        trades: The columns of ``btc_core.model.backtest.Trade``; ascending, none overlap.
        fills: ``price``, ``quantity``, ``fee``, ``reason``, ``slippage``.
        capital: Equity at the start of the range, quote currency.
        facts: The rest.
    """
    range_ = facts.range_
    time = np.concatenate(([(range_.start - EPOCH) // _MICROSECOND], equity["time"].to_physical().to_numpy()))
    worth = np.concatenate(([capital], equity["equity"].to_numpy()))
    pnl = trades["pnl"].to_numpy()
    returns = daily_returns(daily_equity(time, worth))
    drawdown = max_drawdown(worth)
    growth = cagr(capital, float(worth[-1]), span=range_.end - range_.start)
    held, cost, in_daily_parts = accumulation(fills, facts.dca_average_cost)
    return BacktestResults(
        n_trades=len(trades),
        win_rate=win_rate(pnl),
        total_pnl=float(pnl.sum()),
        total_return=total_return(capital, float(worth[-1])),
        cagr=growth,
        max_drawdown=drawdown,
        max_drawdown_days=max_drawdown_days(time, worth),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        calmar=calmar(growth, drawdown),
        profit_factor=profit_factor(pnl),
        expectancy=expectancy(pnl),
        avg_trade_return=avg_trade_return(trades["return"].to_numpy()),
        exposure_time=exposure_time(trades, range_),
        fees_paid=float(trades["fees"].sum()),
        slippage_paid=float(fills["slippage"].sum()),
        # Unknown is not 0.
        funding_paid=float(trades["funding"].sum()) if facts.is_funding_known else None,
        n_liquidations=trades.filter(pl.col("exit_reason") == ExitReason.LIQUIDATION.value).height,
        final_equity=float(worth[-1]),
        buy_and_hold_return=buy_and_hold_return(facts.first_open, facts.last_close),
        start_time=range_.start,
        end_time=range_.end,
        n_candles=facts.n_candles,
        funding_missing_hours=facts.funding_missing_hours,
        n_missing_minutes=facts.n_missing_minutes,
        n_trades_across_gaps=int((trades["missing_minutes"] > 0).sum()),
        n_unfilled=facts.n_unfilled,
        avg_exposure=float(np.abs(equity["exposure"].to_numpy()).mean()),
        turnover=turnover(fills, worth),
        dca_return=buy_and_hold_return(facts.dca_average_cost, facts.last_close),
        accumulated=held if facts.is_spot else None,
        average_cost=cost if facts.is_spot else None,
        dca_average_cost=facts.dca_average_cost,
        dca_accumulated=in_daily_parts if facts.is_spot else None,
    )


def daily_equity(time: Times, equity: Floats) -> Floats:
    """Return the equity at every UTC midnight around a curve, the last value carried forward.

    The first is the midnight at or before the start, with the first value; the last is the midnight at or after the
    end, with the last value: the returns between them make up the whole.

    Args:
        time: Microseconds since 1970, ascending, at least one.
        equity: One value for each time, quote currency.
    """
    return equity[known_at_midnights(time)]


def known_at_midnights(time: Times) -> Times:
    """Return which value of a curve ``daily_equity`` takes at each midnight; a sweep asks once for many curves."""
    first, last = int(time[0]) // _DAY_US, -(-int(time[-1]) // _DAY_US)
    midnights = np.arange(first, last + 1, dtype=np.int64) * _DAY_US
    held = np.searchsorted(time, midnights, side="right") - 1
    return np.maximum(held, 0)


def daily_returns(equity: Floats) -> Floats:
    """Return the fraction gained from each value to the next, up to where nothing is left to gain from."""
    lost = np.flatnonzero(equity <= 0)
    alive = equity[: lost[0] + 1] if len(lost) else equity
    return alive[1:] / alive[:-1] - 1


def sharpe(returns: Floats, *, periods_per_year: float = DAYS_PER_YEAR) -> float | None:
    """Return ``mean ÷ sample standard deviation (ddof 1) · √periods``, risk-free rate 0.

    None with fewer than two returns or without deviation.

    Source: W. F. Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21 (1994).
    """
    if len(returns) < 2:
        return None
    deviation = float(returns.std(ddof=1))
    if deviation < ROUNDING:
        return None
    return float(returns.mean()) / deviation * math.sqrt(periods_per_year)


def sortino(returns: Floats, *, periods_per_year: float = DAYS_PER_YEAR) -> float | None:
    """Return ``mean ÷ downside deviation · √periods``, target 0.

    Downside deviation is ``√(mean(min(return, 0)²))`` over all returns, gains included as 0 (not the sample deviation
    of the losses alone). None with fewer than two returns or without a loss.

    Source: F. A. Sortino, L. N. Price, Performance Measurement in a Downside Risk Framework, Journal of Investing 3
    (1994).
    """
    if len(returns) < 2:
        return None
    downside = downside_risk(returns)
    if downside < ROUNDING:
        return None
    return float(returns.mean()) / downside * math.sqrt(periods_per_year)


def downside_risk(returns: Floats, *, periods_per_year: float = 1) -> float:
    """Return ``√(mean(min(return, 0)²)) · √periods``: the deviation of what falls short of 0."""
    return math.sqrt(float(np.square(np.minimum(returns, 0)).mean())) * math.sqrt(periods_per_year)


def volatility(returns: Floats, *, periods_per_year: float = DAYS_PER_YEAR) -> float | None:
    """Return ``sample standard deviation (ddof 1) · √periods``; None with fewer than two returns."""
    return float(returns.std(ddof=1)) * math.sqrt(periods_per_year) if len(returns) > 1 else None


def omega(returns: Floats) -> float | None:
    """Return ``sum of gains ÷ sum of losses`` of the returns; None without a loss.

    Source: C. Keating, W. F. Shadwick, A Universal Performance Measure, Journal of Performance Measurement 6 (2002).
    """
    losses = -float(returns[returns < 0].sum())
    return float(returns[returns > 0].sum()) / losses if losses > 0 else None


def total_return(capital: float, final_equity: float) -> float:
    """Return ``final ÷ capital − 1``."""
    return final_equity / capital - 1


def cagr(capital: float, final_equity: float, *, span: timedelta) -> float | None:
    """Return the yearly growth that leads from capital to final equity: ``(final ÷ capital)^(1 ÷ years) − 1``.

    Years have 365.25 days. None for less than a day, if nothing is left, or where a lucky day grows beyond float64.
    """
    if span < DAY or final_equity <= 0:
        return None
    try:
        return math.expm1(math.log(final_equity / capital) / (span / CALENDAR_YEAR))
    except OverflowError:
        return None


def max_drawdown(equity: Floats) -> float:
    """Return the deepest fall below a former highest value, as a positive fraction of that value.

    Source: M. Magdon-Ismail, A. Atiya, Maximum Drawdown, Risk Magazine 17 (2004).
    """
    return float((1 - equity / np.maximum.accumulate(equity)).max())


def max_drawdown_days(time: Times, equity: Floats) -> float:
    """Return the longest time under water in days: from a peak until it is reached again, or until the end.

    Args:
        time: Microseconds since 1970, ascending, at least one.
        equity: One value for each time.
    """
    is_peak = equity >= np.maximum.accumulate(equity)
    under = np.flatnonzero(~is_peak)
    if len(under) == 0:
        return 0.0
    peak = np.maximum.accumulate(np.where(is_peak, np.arange(len(time)), 0))
    until = np.minimum(under + 1, len(time) - 1)
    return float((time[until] - time[peak[under]]).max()) / _DAY_US


def calmar(growth: float | None, drawdown: float) -> float | None:
    """Return ``cagr ÷ max_drawdown``; None without either.

    Over the whole range, where Young took 36 months.

    Source: T. W. Young, Calmar Ratio: A Smoother Tool, Futures (October 1991).
    """
    return None if growth is None or drawdown == 0 else growth / drawdown


def win_rate(pnl: Floats) -> float | None:
    """Return the share of trades that gained after fees; None without trades."""
    return float((pnl > 0).mean()) if len(pnl) else None


def profit_factor(pnl: Floats) -> float | None:
    """Return ``sum of gains ÷ sum of losses`` of the trades, after fees; None without losses."""
    losses = -float(pnl[pnl < 0].sum())
    return float(pnl[pnl > 0].sum()) / losses if losses > 0 else None


def expectancy(pnl: Floats) -> float | None:
    """Return the mean gain of a trade after fees, quote currency; None without trades."""
    return float(pnl.mean()) if len(pnl) else None


def avg_trade_return(returns: Floats) -> float | None:
    """Return the mean of the trades' returns on their notional at entry; None without trades."""
    return float(returns.mean()) if len(returns) else None


def exposure_time(trades: pl.DataFrame, range_: TimeRange) -> float:
    """Return the share of the range in which a position was held; trades do not overlap."""
    return share_of_time(int((trades["exit_time"] - trades["entry_time"]).to_physical().sum()), range_)


def share_of_time(held_us: int, range_: TimeRange) -> float:
    """Return microseconds as a share of a range."""
    return held_us * _MICROSECOND / (range_.end - range_.start)


def buy_and_hold_return(first_open: float | None, last_close: float | None) -> float | None:
    """Return ``last close ÷ first open − 1`` of the market, without any costs; None without minutes."""
    return None if first_open is None or last_close is None else last_close / first_open - 1


def turnover(fills: pl.DataFrame, equity: Floats) -> float:
    """Return the notional of all fills ÷ mean equity: how often the account was bought and sold, each way counted."""
    mean = float(equity.mean())
    return float((fills["price"] * fills["quantity"].abs()).sum()) / mean if mean > 0 else 0.0


def accumulation(fills: pl.DataFrame, dca_cost: float | None) -> tuple[float, float | None, float | None]:
    """Return the units held at the end, what a unit cost, and the units that the same money buys in equal parts.

    The close of the last position is left out: what it sells is what was accumulated. The money is what went into the
    coin and did not come back; None where nothing was bought, or more came back than went in.

    Args:
        fills: ``price``, ``quantity``, ``fee``, ``reason`` of a long-only account.
        dca_cost: What a unit costs in equal parts, quote currency.
    """
    kept = fills.filter(pl.col("reason") != ExitReason.END.value)
    bought = kept.filter(pl.col("quantity") > 0)
    money = float((kept["price"] * kept["quantity"] + kept["fee"]).sum())
    spent = float((bought["price"] * bought["quantity"] + bought["fee"]).sum())
    held = math.fsum(kept["quantity"])
    cost = spent / float(bought["quantity"].sum()) if len(bought) else None
    return held, cost, money / dca_cost if dca_cost is not None and held > 0 and money > 0 else None
