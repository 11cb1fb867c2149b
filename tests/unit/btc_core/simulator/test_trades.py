"""Trades out of the kernel's log."""

import numpy as np
import polars as pl
import pytest

from btc_core.simulator.layout import FILL
from btc_core.simulator.market import prepare
from btc_core.simulator.trades import TRADE_SCHEMA, fills_of, trades_of
from tests.markets import TEN_MINUTES, at, decided, market

LOG = np.array(
    [
        # minute, price, quantity, fee, reason, slippage, cash, held, settled, funding, low, high
        (1, 100.0, 2.0, 1.0, 0, 2.0, 799.0, 2.0, 0.0, 0.0, 100.0, 100.0),
        (3, 120.0, 2.0, 1.0, 0, 2.0, 558.0, 4.0, 0.0, 0.0, 90.0, 125.0),
        (4, 130.0, -4.0, 2.0, 4, 0.0, 1073.0, 0.0, 0.0, 3.0, 110.0, 130.0),
        (4, 130.0, -1.0, 1.0, 0, 1.0, 1202.0, -1.0, 0.0, 0.0, 130.0, 130.0),
        (10, 140.0, 1.0, 1.0, 2, 1.0, 1061.0, 0.0, 0.0, -2.0, 117.0, 143.0),
    ],
    dtype=FILL,
)
MARKET = prepare(decided({1: 1}), market(*[100] * 10, without=(2, 7)), range_=TEN_MINUTES)


def test_a_trade_is_flat_to_flat():
    """Long: 2 at 100 and 2 at 120, entry 110, sold at 130: 80 less fees 4 and funding 3. Low 90, high 130.

    Short: at 130, bought back at 140: −10 less fees 2, funding 2 received. High 143, low 117.
    """
    log = LOG.copy()
    log["minute"] = [1, 2, 3, 3, 8]  # the same instants in a market without minutes 2 and 7
    long, short = trades_of(log, MARKET).iter_rows(named=True)
    assert (long["entry_time"], long["exit_time"], long["exit_reason"]) == (at(1), at(4), "target")
    assert (long["entry_price"], long["exit_price"], long["quantity"]) == (110, 130, 4)
    assert (long["pnl"], long["fees"], long["funding"]) == (73, 4, 3)
    assert long["return"] == pytest.approx(73 / 440)
    assert (long["mae"], long["mfe"]) == pytest.approx((20 / 110, 20 / 110))
    assert long["missing_minutes"] == 1
    assert (short["side"], short["exit_time"], short["pnl"]) == ("short", at(10), -10)
    assert (short["mae"], short["mfe"]) == pytest.approx((0.1, 0.1))
    assert short["missing_minutes"] == 1


def test_no_fills_are_no_trades():
    """The columns are there."""
    assert trades_of(LOG[:0], MARKET).equals(pl.DataFrame(schema=TRADE_SCHEMA))
    assert fills_of(LOG[:0], MARKET).columns == ["time", "price", "quantity", "fee", "reason", "funding", "slippage"]


def test_fills_are_in_the_order_of_the_log():
    """Reasons are words, times are instants."""
    log = LOG.copy()
    log["minute"] = [1, 2, 3, 3, 8]
    fills = fills_of(log, MARKET)
    assert fills["reason"].to_list() == ["signal", "signal", "target", "signal", "end"]
    assert fills["time"].to_list() == [at(1), at(3), at(4), at(4), at(10)]
