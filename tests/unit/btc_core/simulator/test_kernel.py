"""What one fill does to an account, by hand; and that the compiler changes no bit of it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.model.backtest import BacktestConfig
from btc_core.simulator.kernel import is_lost
from btc_core.simulator.layout import ACCOUNT, terms_of
from tests.markets import decided, market, run
from tests.random_markets import digest, endings

ROOT = Path(__file__).resolve().parents[4]


@given(
    entry=st.floats(1, 1e6),
    side=st.sampled_from([1, -1]),
    leverage=st.floats(1, 40),
    maintenance=st.floats(0, 120),
)
def test_a_position_is_lost_at_the_exchange_s_liquidation_price(entry, side, leverage, maintenance):
    """``price − side · margin_available / size / (1 − l · side)``; available is what the maintenance margin leaves."""
    margin, fraction = entry / leverage, maintenance / 1e4
    account = np.zeros(1, ACCOUNT).view(np.recarray)[0]
    account.held, account.cash = side, margin - side * entry
    terms = terms_of(BacktestConfig(maintenance_bps=maintenance))
    price = entry - side * (margin - fraction * entry) / (1 - fraction * side)
    assert is_lost(account, account.cash, price - side * 1e-9 * entry, terms)
    assert not is_lost(account, account.cash, price + side * 1e-9 * entry, terms)


def test_margin_and_fee_come_from_the_equity():
    """Half exposure, leverage 4, fee 1 %: N = 2 · (1020 − 0.01 N) = 2000, so 20 units at 100 and a fee of 20."""
    found = run(decided({1: 0.5}), market(*[100] * 10), capital=1020, leverage=4, taker_bps=100)
    assert found.fills.row(0)[1:4] == pytest.approx((100, 20, 20))


def test_an_enlargement_pays_for_the_difference_and_stays_one_trade():
    """1 % fee. 1005 at 0.5: N = 500, fee 5, 5 units of 100, 500 free.

    At 200 the position is worth 1000, equity 1500. Full exposure: N = 1500 − 0.01 · (N − 1000), so N = 1510 / 1.01,
    and the fee is of N − 1000 alone. One trade from flat to flat: entry is the mean price of both purchases.
    """
    minutes = market(100, 100, *[200] * 8)
    found = run(decided({1: 0.5, 2: 1, 4: 0}), minutes, capital=1005, taker_bps=100)
    notional = 1510 / 1.01
    assert found.fills["fee"][1] == pytest.approx((notional - 1000) * 0.01)
    assert found.trades["quantity"].to_list() == pytest.approx([notional / 200])
    assert found.trades["entry_price"].to_list() == pytest.approx([(500 + notional - 1000) / (notional / 200)])
    assert found.results.final_equity == pytest.approx(notional * 0.99)
    assert found.results.final_equity == pytest.approx(1005 + found.results.total_pnl)


def test_a_reduction_pays_for_the_difference_and_stays_one_trade():
    """No fee. 10 units of 100; at 200 half exposure keeps 5 and sells 5 for 1000; closed at 100: 1000 + 500."""
    found = run(decided({1: 1, 2: 0.5, 4: 0}), market(100, 100, 200, 200, *[100] * 6))
    assert found.results.final_equity == pytest.approx(1500)
    assert found.trades.row(0)[3:9:2] == pytest.approx((100, 150, 500))
    assert found.trades["quantity"].to_list() == pytest.approx([10])


def test_a_change_that_the_slippage_outweighs_does_not_fill():
    """5 %. 5 units at 100, 500 free; at 104 a little more exposure is wanted, 0.51.

    At the buyer's 109.2 it is 0.51 · (500 + 546) / 109.2 = 4.89 units, fewer than are held; at the seller's 98.8 it is
    0.51 · (500 + 494) / 98.8 = 5.13, more than are held.
    """
    found = run(decided({1: 0.5, 2: 0.51}), market(100 / 1.05, 100 / 1.05, *[104] * 8), slippage_bps=500)
    assert found.fills["quantity"].to_list() == pytest.approx([5, -5])
    assert found.results.n_unfilled == 0


def test_nothing_is_left_of_a_full_stake_to_trade_with():
    """Equity after the loss is 0 to the last bit, and no later decision opens a position of dust."""
    minutes = market(97.3, 97.3, 97.3, *[50] * 7)
    found = run(decided({1: 1, 5: -1}), minutes, capital=1234.56, leverage=7, taker_bps=4.5, min_notional=0)
    assert found.results.final_equity == 0
    assert found.results.n_trades == 1


def test_a_market_already_beyond_the_liquidation_price_takes_the_position_first():
    """Half of 1000 tenfold long from 100 (liquidated at 91.14): minute 2 opens at 80 and the signal says short.

    Selling at 80 would lose 1000, more than the margin of 500. The margin is lost, and the short is opened with half
    of the other 500: N = 2500, 31.25 units.
    """
    found = run(decided({1: 0.5, 2: -0.5}), market(100, 100, *[80] * 8, low_1=100), leverage=10)
    assert found.trades["exit_reason"].to_list() == ["liquidation", "end"]
    assert found.trades["quantity"].to_list() == pytest.approx([50, 31.25])
    assert found.results.final_equity == pytest.approx(500)


def test_closing_never_costs_more_than_the_margin():
    """Tenfold long, no maintenance margin, fee 2 %: at 90.5 the position is worth 50 and closing would cost 181."""
    minutes = market(100, 100, *[90.5] * 8)
    found = run(decided({1: 1, 2: 0}), minutes, leverage=10, taker_bps=200, maintenance_bps=0)
    assert found.trades["exit_reason"].to_list() == ["liquidation"]
    assert found.results.final_equity == 0


def test_the_markets_of_the_next_tests_end_positions_in_every_way():
    """What is compared there has signals, liquidations, stops, targets and ends in it."""
    assert endings(seed=5) == {"signal", "liquidation", "stop", "target", "end"}


def test_the_compiler_changes_no_bit():
    """With compilation off the same markets give the same fills and equity, to the last bit."""
    code = "from tests.random_markets import digest; print(digest(seed=5))"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    program = [sys.executable, "-c", code]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(seed=5)


def test_two_threads_give_the_same_bits():
    """A simulation has no state beside its own."""
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda seed: digest(seed=seed), [1, 2, 3, 4])) == [digest(seed=s) for s in (1, 2, 3, 4)]
