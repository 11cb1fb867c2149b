"""Decisions and 1m candles in, trades, equity and figures out.

What fills when is here; what a fill does to the account is in ``btc_core.simulator.account``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from btc_core import metrics
from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig, BacktestResults, ExitReason
from btc_core.model.interval import Interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange, format_time
from btc_core.simulator.account import Account, Fill, TradeRow
from btc_core.simulator.equity import UTC_TIME, equity_curve

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

_MICROSECOND = timedelta(microseconds=1)
_MINUTE_US = MINUTE // _MICROSECOND
TRADE_SCHEMA = pl.Schema(
    {
        "seq": pl.Int32(),
        "side": pl.String(),
        "entry_time": UTC_TIME,
        "entry_price": pl.Float64(),
        "exit_time": UTC_TIME,
        "exit_price": pl.Float64(),
        "quantity": pl.Float64(),
        "pnl": pl.Float64(),
        "fees": pl.Float64(),
        "return": pl.Float64(),
        "exit_reason": pl.String(),
    }
)
FILL_SCHEMA = pl.Schema(
    {
        "time": UTC_TIME,
        "price": pl.Float64(),
        "quantity": pl.Float64(),
        "fee": pl.Float64(),
        "reason": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What following the decisions would have earned.

    Attributes:
        trades: One row per trade, flat to flat, ascending; the columns of ``btc_core.model.backtest.Trade``.
        equity: ``time, equity, drawdown, exposure``: one row per decision and one at the end of the range.
        fills: ``time, price, quantity, fee, reason``, ascending; bought is positive.
        results: The figures.
    """

    trades: pl.DataFrame
    equity: pl.DataFrame
    fills: pl.DataFrame
    results: BacktestResults


@dataclass(frozen=True, slots=True)
class _Minutes:
    """The 1m candles of the range as arrays; ``time`` in microseconds since 1970."""

    time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats


@dataclass(frozen=True, slots=True)
class _Decisions:
    """The decisions of the range as arrays; ``time`` is when they are known."""

    time: Times
    exposure: Floats
    price: Floats


def simulate(
    decisions: pl.DataFrame, minutes: pl.DataFrame, config: BacktestConfig, *, range_: TimeRange, interval: Interval
) -> Simulation:
    """Return what following the decisions over a range would have earned.

    A change of the wanted exposure fills at the open of the first 1m candle at or after ``close_time``; changes that
    wait for the same candle (a gap) count as the last of them. The quantity is set there and held until the next
    change. Within a minute the fill comes first, then the extremes count, and either may liquidate the position: flat
    until the wanted exposure changes. What is open at the end is closed at the last minute's close.

    Shape: a decision belongs to the range if ``start < close_time <= end``, a minute if ``start <= time < end``; other
    rows are left out. Unit: prices and money in quote currency. Cost: linear in rows, a Python step only per change.

    Args:
        decisions: ``close_time`` (UTC), ``exposure`` (wanted position ÷ equity before leverage, in [−1, 1]) and
            ``price`` (the candle's close); ascending, one row per evaluated candle.
        minutes: ``time`` (UTC), ``open``, ``high``, ``low``, ``close`` of 1m candles, ascending; a gap is no row.
        config: Capital, leverage and costs.
        range_: What is simulated; before it the account is flat.
        interval: Of the decided candles, which every ``close_time`` must be a close of.

    Raises:
        DataError: If times do not ascend or lie off the grid, or a value is missing or out of bounds.

    Source: the order of events within a candle is the pessimistic reading of kernc/backtesting.py.
    """
    market = _read_minutes(minutes, range_)
    decided = _read_decisions(decisions, range_, interval)
    account = Account(config)
    _follow(account, decided, market)
    equity = equity_curve(
        account.steps,
        time=decided.time,
        price=decided.price,
        capital=config.capital,
        end=_us(range_.end),
    )
    trades = _frame(account.trades, TRADE_SCHEMA)
    figures = metrics.results(
        equity,
        trades,
        capital=config.capital,
        range_=range_,
        n_candles=len(decided.time),
        first_open=float(market.open[0]) if len(market.time) else None,
        last_close=float(market.close[-1]) if len(market.time) else None,
    )
    return Simulation(trades, equity, _frame(account.fills, FILL_SCHEMA), figures)


def _follow(account: Account, decided: _Decisions, market: _Minutes) -> None:
    """Walk the account through every change of exposure and to the end."""
    if len(market.time) == 0:
        return
    at, exposure = _changes(decided, market.time)
    if len(at) == 0:
        return
    lowest: list[float] = np.minimum.reduceat(market.low, at).tolist()
    highest: list[float] = np.maximum.reduceat(market.high, at).tolist()
    stops = [*at[1:].tolist(), len(market.time)]
    moves = zip(at.tolist(), stops, market.open[at].tolist(), exposure.tolist(), lowest, highest, strict=True)
    for start, stop, price, wanted, low, high in moves:
        account.move(int(market.time[start]), price, exposure=wanted)
        if account.side and _touches(account, low=low, high=high):
            account.liquidate(int(market.time[_first_touch(account, market, start, stop)]))
    if account.side:
        end = int(market.time[-1]) + _MINUTE_US
        account.move(end, float(market.close[-1]), exposure=0.0, reason=ExitReason.END)


def _changes(decided: _Decisions, time: Times) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the minutes at whose open the exposure changes, as indices, and the new exposures."""
    at = np.searchsorted(time, decided.time, side="left").astype(np.int64)
    # Of the decisions that wait for the same minute the last is the one that is known there.
    is_last = np.append(at[1:] != at[:-1], True)[: len(at)] & (at < len(time))
    at, exposure = at[is_last], decided.exposure[is_last]
    changes = np.diff(exposure, prepend=0.0) != 0
    return at[changes], exposure[changes]


def _touches(account: Account, *, low: float, high: float) -> bool:
    """Return whether an extreme reaches the liquidation price of the present position."""
    return low <= account.liquidation_price if account.side > 0 else high >= account.liquidation_price


def _first_touch(account: Account, market: _Minutes, start: int, stop: int) -> int:
    """Return the first minute of a stretch whose extreme reaches the liquidation price."""
    price = account.liquidation_price
    reached = market.low[start:stop] <= price if account.side > 0 else market.high[start:stop] >= price
    return start + int(np.argmax(reached))


def _read_minutes(minutes: pl.DataFrame, range_: TimeRange) -> _Minutes:
    time = _times(minutes, "time")
    first, stop = np.searchsorted(time, [_us(range_.start), _us(range_.end)], side="left")
    inside = minutes.slice(first, stop - first)
    return _Minutes(time[first:stop], *(_floats(inside, name) for name in ("open", "high", "low", "close")))


def _read_decisions(decisions: pl.DataFrame, range_: TimeRange, interval: Interval) -> _Decisions:
    time = _times(decisions, "close_time")
    first, stop = np.searchsorted(time, [_us(range_.start), _us(range_.end)], side="right")
    inside = decisions.slice(first, stop - first)
    exposure = _floats(inside, "exposure")
    if len(exposure) and np.abs(exposure).max() > 1:
        raise DataError(f"decisions: expected an exposure in [-1, 1], found {exposure[np.abs(exposure).argmax()]}")
    _refuse_off_grid(inside, time[first:stop], interval)
    return _Decisions(time[first:stop], exposure, _floats(inside, "price"))


def _refuse_off_grid(decisions: pl.DataFrame, time: Times, interval: Interval) -> None:
    if interval.minutes is None:
        close_time = decisions["close_time"]
        off = (close_time.dt.truncate("1mo") != close_time).to_numpy()
    else:
        off = (time - _us(interval.origin)) % (interval.minutes * _MINUTE_US) != 0
    if off.any():
        found = format_time(EPOCH + int(time[off.argmax()]) * _MICROSECOND)
        raise DataError(f"decisions: expected closes of {interval} candles, found one at {found}")


def _times(frame: pl.DataFrame, name: str) -> Times:
    """Return a column of ascending instants as microseconds since 1970."""
    time = frame[name].cast(UTC_TIME).to_physical()
    if time.null_count() or not (np.diff(time.to_numpy()) > 0).all():
        raise DataError(f"expected {name} to be ascending without repetition, found a row that is not")
    return time.to_numpy()


def _floats(frame: pl.DataFrame, name: str) -> Floats:
    values = frame[name].cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all():
        raise DataError(f"expected a finite number in every row of {name}, found a row without")
    return values


def _frame(rows: Sequence[TradeRow] | Sequence[Fill], schema: pl.Schema) -> pl.DataFrame:
    """Return rows whose times are microseconds since 1970 as a frame of that schema."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema]
    physical = pl.Schema({name: pl.Int64() if kind == UTC_TIME else kind for name, kind in schema.items()})
    return pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=physical).cast(schema)


def _us(instant: datetime) -> int:
    """Return whole microseconds since 1970."""
    return (instant - EPOCH) // _MICROSECOND
