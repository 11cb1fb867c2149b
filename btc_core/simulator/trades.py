"""What the kernel's log says, as frames: fills, and trades from flat to flat."""

import numpy as np
import polars as pl

from btc_core.model.backtest import Side
from btc_core.simulator.layout import REASONS, Floats, Indices
from btc_core.simulator.market import UTC_TIME, Market
from btc_core.simulator.rounds import rounds_of

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
        "funding": pl.Float64(),
        "mae": pl.Float64(),
        "mfe": pl.Float64(),
        "missing_minutes": pl.Int64(),
    }
)
_REASONS = pl.Series([reason.value for reason in REASONS])
_SIDES = pl.Series([Side.SHORT.value, Side.LONG.value])


def fills_of(log: np.ndarray, market: Market) -> pl.DataFrame:
    """Return the fills: ``time, price, quantity, fee, reason, funding, slippage``; bought is positive.

    ``funding`` is what the position paid since the fill before, ``slippage`` what the price was worse than the market's
    (it is in the price already); quote currency.
    """
    return pl.DataFrame(
        {
            "time": pl.Series(market.instants(log["minute"]), dtype=pl.Int64).cast(UTC_TIME),
            "price": log["price"],
            "quantity": log["quantity"],
            "fee": log["fee"],
            "reason": _REASONS.gather(log["reason"]),
            "funding": log["funding"],
            "slippage": log["slippage"],
        }
    )


def trades_of(log: np.ndarray, market: Market) -> pl.DataFrame:
    """Return the trades, one row each, ascending; the columns of ``btc_core.model.backtest.Trade``."""
    if len(log) == 0:
        return pl.DataFrame(schema=TRADE_SCHEMA)
    rounds = rounds_of(log)
    first, last, side = rounds.first, rounds.last, rounds.side
    entry_price = rounds.entered / rounds.quantity
    adverse, favourable = _excursions(log, first, side=side, entry_price=entry_price)
    entry, exit_ = log["minute"][first], log["minute"][last]
    columns = {
        "seq": np.arange(len(first)),
        "side": _SIDES.gather((side > 0).astype(np.int64)),
        "entry_time": market.instants(entry),
        "entry_price": entry_price,
        "exit_time": market.instants(exit_),
        "exit_price": rounds.left / rounds.quantity,
        "quantity": rounds.quantity,
        "pnl": rounds.pnl,
        "fees": rounds.fees,
        "return": rounds.pnl / rounds.entered,
        "exit_reason": _REASONS.gather(log["reason"][last]),
        "funding": rounds.funding,
        "mae": adverse,
        "mfe": favourable,
        "missing_minutes": market.missing_between(entry, exit_),
    }
    return pl.DataFrame([pl.Series(name, values) for name, values in columns.items()]).cast(TRADE_SCHEMA)


def _excursions(log: np.ndarray, first: Indices, *, side: Floats, entry_price: Floats) -> tuple[Floats, Floats]:
    """Return how far the price went against and with each trade, as fractions of its entry price, at least 0."""
    low = np.minimum.reduceat(log["low"], first)
    high = np.maximum.reduceat(log["high"], first)
    worst, best = np.where(side > 0, low, high), np.where(side > 0, high, low)
    against = side * (entry_price - worst) / entry_price
    with_ = side * (best - entry_price) / entry_price
    return np.maximum(against, 0.0), np.maximum(with_, 0.0)
