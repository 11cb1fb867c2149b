"""An account that follows decisions as they are made: what it is, and what further minutes do to it.

It is a function of when it was opened, its terms, decisions, minutes and funding. ``advance`` takes it from one instant
to a later one by the kernel of backtests. Wherever the time line is cut, what comes out is the same to the last bit,
and what ``simulate`` says over all of it (laws 5 and 7). Four things make it so:

- the stretch after the last decision is open: extremes, and with them stops and liquidations, are the same in any
  grouping of minutes;
- the funding of a unit is added up one by one since the account was opened, and the sum is part of the state;
- an order fills at the first minute at or after its time that exists; until there is one, the next call is told of the
  decision again;
- of a trade that is not over its sums are kept, not its fills.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import polars as pl

from btc_core.model.backtest import BacktestConfig, ExitReason, Mode, Side
from btc_core.model.interval import Interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from btc_core.resample import CANDLE_SCHEMA, close_time
from btc_core.simulator.layout import ACCOUNT, FILL, REASONS, Account, Floats, Log, frozen, most_fills, terms_of
from btc_core.simulator.market import MICROSECOND, UTC_TIME, Market, prepare, us
from btc_core.simulator.trades import TRADE_SCHEMA

EQUITY_SCHEMA = pl.Schema(
    {
        "time": UTC_TIME,
        "equity": pl.Float64(),
        "drawdown": pl.Float64(),
        "exposure": pl.Float64(),
        "wanted": pl.Float64(),
        "price": pl.Float64(),
    }
)
# What a decision is to an account.
ORDER_SCHEMA = pl.Schema({"close_time": UTC_TIME, "exposure": pl.Float64(), "price": pl.Float64()})
FUNDING_SCHEMA = pl.Schema({"time": UTC_TIME, "funding_rate": pl.Float64()})


class Round(msgspec.Struct):
    """A trade that is not over: sums over its fills, in their order.

    Attributes:
        entry_time: Of its first fill.
        side: 1 for long, −1 for short.
        quantity: Base units that opened or enlarged it.
        entered, left: Notional of what opened or enlarged it, and of what reduced it.
        fees, funding: Quote currency.
        low, high: Extremes up to its last fill.
        minute: How many minutes the account had been through at its entry.
    """

    entry_time: datetime
    side: float
    minute: int
    quantity: float = 0.0
    entered: float = 0.0
    left: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    low: float = math.inf
    high: float = 0.0


class PaperState(msgspec.Struct):
    """An account after some minute; JSON keeps every bit of it.

    Attributes:
        through: End of the newest minute that it has been through; when it was opened, before the first.
        account: The kernel's record, by field.
        peak: The highest worth at a decision that was known before ``through``, its capital at least.
        unit_funding: What a unit held since the account was opened would have paid.
        n_minutes: How many minutes it has been through.
        price: Close of the newest one.
        n_trades: That are over.
        fees, funding: Of all fills; quote currency.
        round: The trade that is not over.
    """

    through: datetime
    account: dict[str, float]
    peak: float
    unit_funding: float = 0.0
    n_minutes: int = 0
    price: float | None = None
    n_trades: int = 0
    fees: float = 0.0
    funding: float = 0.0
    round: Round | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An account at its newest minute's close; quote currency, fractions. Equity = cash + quantity · price."""

    cash: float
    equity: float
    drawdown: float
    exposure: float
    wanted: float
    quantity: float
    entry_price: float | None
    entry_time: datetime | None
    price: float | None
    n_trades: int
    n_unfilled: int
    fees: float
    funding: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What further minutes did: the state after them, the trades that ended, and the worth at each decision.

    Attributes:
        state: After the newest minute.
        trades: The columns of ``btc_core.model.backtest.Trade``, ascending.
        equity: In ``EQUITY_SCHEMA``; of decisions from the earlier ``through`` on.
    """

    state: PaperState
    trades: pl.DataFrame
    equity: pl.DataFrame


def opening_of(now: datetime) -> datetime:
    """Return when an account begins that is opened at an instant: the minute that was over last.

    So a decision at the close of that minute is its first, and nothing that was known earlier is.
    """
    return now.astimezone(UTC).replace(second=0, microsecond=0) - MINUTE


def opened(started_at: datetime, config: BacktestConfig) -> PaperState:
    """Return an account in which nothing has happened."""
    account = dict.fromkeys(_fields(), 0.0)
    account["cash"] = account["free"] = float(config.capital)
    return PaperState(through=started_at, account=account, peak=float(config.capital))


def orders_of(decisions: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    """Return decisions (``time, exposure, price``, one row a candle) in ``ORDER_SCHEMA``."""
    return decisions.select(close_time(pl.col("time"), interval).alias("close_time"), "exposure", "price").cast(
        ORDER_SCHEMA
    )


def pending_since(state: PaperState, config: BacktestConfig) -> datetime:
    """Return from which close on decisions may still wait for a minute to fill in."""
    return state.through - config.delay_minutes * MINUTE


def advance(
    state: PaperState, minutes: pl.DataFrame, orders: pl.DataFrame, config: BacktestConfig, *, funding: pl.DataFrame
) -> Progress:
    """Take an account through further minutes.

    Args:
        state: Where it stands; it is left as it is.
        minutes: Those from ``state.through`` on, ascending; there may be none.
        orders: In ``ORDER_SCHEMA``: what was decided from ``pending_since`` on, ascending.
        config: Its terms.
        funding: ``time, funding_rate`` from ``state.through`` on, ascending; of a spot account none.

    Returns:
        What they did. A decision that no minute follows yet is marked, and has to be told of again.
    """
    # Loads numba: only what simulates pays for it.
    from btc_core.simulator import kernel

    market = _market(state, minutes, orders, config, funding)
    wanted = np.append(state.account["wanted"], orders["exposure"].to_numpy())
    wanted = frozen(np.maximum(wanted, 0.0) if config.mode is Mode.SPOT else wanted)
    account, log = _record(state, config), np.empty(most_fills(wanted) + 1, FILL).view(np.recarray)
    kernel.advance(account, log, market.minutes, market.stretches, wanted, terms_of(config))
    log = log[: account.n_fills]
    after = _after(state, account, market)
    trades = [trade for fill in range(len(log)) if (trade := _book(after, state, log[fill], market))]
    equity = _marked(state, after, orders, market, log)
    return Progress(after, pl.DataFrame(trades, schema=TRADE_SCHEMA, orient="row"), equity)


def standing_of(state: PaperState) -> Standing:
    """Return what an account is worth at its newest minute's close."""
    account, round_ = state.account, state.round
    unpaid = account["held"] * (state.unit_funding - account["settled"])
    cash = account["cash"] - unpaid
    position = account["held"] * (state.price or 0.0)
    equity = cash + position
    return Standing(
        cash=cash,
        equity=equity,
        drawdown=max(0.0, 1 - equity / state.peak),
        exposure=position / equity if equity > 0 else 0.0,
        wanted=account["wanted"],
        quantity=account["held"],
        entry_price=round_.entered / round_.quantity if round_ else None,
        entry_time=round_.entry_time if round_ else None,
        price=state.price,
        n_trades=state.n_trades,
        n_unfilled=int(account["n_unfilled"]),
        fees=state.fees,
        funding=state.funding + account["paid"] + unpaid,
    )


def warm_up() -> None:
    """Do everything once, with nothing: what loads late, or is compiled, is there when the first decision comes."""
    config, opening = BacktestConfig(), EPOCH + timedelta(days=1)
    row = dict.fromkeys(CANDLE_SCHEMA, 1.0) | {"time": opening, "trades": 1, "minutes": 1}
    minutes = pl.DataFrame([row]).cast(CANDLE_SCHEMA)
    orders = pl.DataFrame([(opening, 1.0, 1.0)], schema=ORDER_SCHEMA, orient="row")
    advance(opened(opening, config), minutes, orders, config, funding=pl.DataFrame(schema=FUNDING_SCHEMA))


def _fields() -> tuple[str, ...]:
    # The number of fills is that of the log, which begins anew with each call.
    return tuple(name for name in ACCOUNT.names or () if name != "n_fills")


def _record(state: PaperState, config: BacktestConfig) -> Account:
    account = np.zeros(1, ACCOUNT).view(np.recarray)[0]
    for name in _fields():
        account[name] = state.account[name]
    if config.mode is Mode.SPOT:
        # JSON has no infinity.
        account.free = -math.inf
    return account


def _market(
    state: PaperState, minutes: pl.DataFrame, orders: pl.DataFrame, config: BacktestConfig, funding: pl.DataFrame
) -> Market:
    """Return the market, with one order before all others: what was wanted already goes on into the first minutes."""
    before = pending_since(state, config) - MINUTE
    going_on = pl.DataFrame([(before, state.account["wanted"], 1.0)], schema=ORDER_SCHEMA, orient="row")
    told = pl.concat([going_on, orders])
    newest = [told["close_time"][-1], *minutes["time"].tail(1)]
    return prepare(
        told,
        minutes,
        range_=TimeRange(before - MINUTE, max(newest) + MINUTE),
        delay_minutes=config.delay_minutes,
        # What was settled before is in the sum.
        funding=None if config.mode is Mode.SPOT else funding.filter(pl.col("time") >= state.through),
        funding_before=state.unit_funding,
    )


def _after(state: PaperState, account: Account, market: Market) -> PaperState:
    """Return the state after a market, without what its fills did to the trades."""
    n = len(market.time)
    said = {name: float(getattr(account, name)) for name in _fields()}
    said["free"] = said["free"] if math.isfinite(said["free"]) else state.account["free"]
    return msgspec.structs.replace(
        state,
        through=_instant(market.end) if n else state.through,
        account=said,
        unit_funding=float(market.minutes.funding[n]),
        n_minutes=state.n_minutes + n,
        price=market.minutes.last_close if n else state.price,
        round=msgspec.structs.replace(state.round) if state.round else None,
    )


def _book(after: PaperState, before: PaperState, fill: np.record, market: Market) -> tuple[object, ...] | None:
    """Add a fill to the trade that it belongs to; return the trade as a row of ``TRADE_SCHEMA`` if it is over."""
    index, quantity, price = int(fill.minute), float(fill.quantity), float(fill.price)
    time, n_before = _instant(int(market.instants(np.array([index]))[0])), before.n_minutes + index
    round_ = after.round or Round(time, math.copysign(1.0, quantity), n_before)
    notional = quantity * price * round_.side
    if notional > 0:
        round_.quantity += abs(quantity)
        round_.entered += notional
    else:
        round_.left -= notional
    round_.fees += float(fill.fee)
    round_.funding += float(fill.funding)
    round_.low, round_.high = min(round_.low, float(fill.low)), max(round_.high, float(fill.high))
    after.fees += float(fill.fee)
    after.funding += float(fill.funding)
    if fill.held != 0:
        after.round = round_
        return None
    after.round = None
    after.n_trades += 1
    return _row(round_, after.n_trades - 1, time, n_before, REASONS[int(fill.reason)])


def _row(round_: Round, seq: int, exit_time: datetime, minute: int, reason: ExitReason) -> tuple[object, ...]:
    side, entry_price = round_.side, round_.entered / round_.quantity
    pnl = side * (round_.left - round_.entered) - round_.fees - round_.funding
    worst, best = (round_.low, round_.high) if side > 0 else (round_.high, round_.low)
    return (
        seq,
        (Side.LONG if side > 0 else Side.SHORT).value,
        round_.entry_time,
        entry_price,
        exit_time,
        round_.left / round_.quantity,
        round_.quantity,
        pnl,
        round_.fees,
        pnl / round_.entered,
        reason.value,
        round_.funding,
        max(side * (entry_price - worst) / entry_price, 0.0),
        max(side * (best - entry_price) / entry_price, 0.0),
        (exit_time - round_.entry_time) // MINUTE - (minute - round_.minute),
    )


def _marked(
    before: PaperState, after: PaperState, orders: pl.DataFrame, market: Market, log: np.ndarray
) -> pl.DataFrame:
    """Return what the account was worth at the decisions from the earlier state on; raise the peak by those."""
    from btc_core.simulator import kernel

    n = len(market.close_time)
    equity, exposure = np.empty(n), np.zeros(n)
    fills: Log = log
    kernel.mark(
        equity,
        exposure,
        fills,
        frozen(market.instants(log["minute"])),
        frozen(market.close_time),
        market.price,
        market.funding_before,
        *(before.account[name] for name in ("cash", "held", "settled")),
    )
    # Earlier ones were marked when they were made; the first is none.
    first = int(np.searchsorted(market.close_time[1:], us(before.through))) + 1
    worth: Floats = equity[first:]
    peak = np.maximum(np.maximum.accumulate(worth), before.peak)
    known = worth[market.close_time[first:] < us(after.through)]
    after.peak = max([before.peak, *known.tolist()])
    return (
        orders.slice(first - 1)
        .select(time="close_time", equity=worth, drawdown=1 - worth / peak, exposure=exposure[first:])
        .with_columns(orders.slice(first - 1).select(wanted="exposure", price="price"))
        .select(EQUITY_SCHEMA.names())
        if len(worth)
        else pl.DataFrame(schema=EQUITY_SCHEMA)
    )


def _instant(microseconds: int) -> datetime:
    return EPOCH + int(microseconds) * MICROSECOND
