"""What one fill does to an account, by hand."""

import pytest

from btc_core.model.backtest import BacktestConfig
from btc_core.simulator.account import Account


def account(**values):
    """Return an account with costs only where they are named."""
    return Account(BacktestConfig(**({"capital": 1000, "taker_bps": 0, "maintenance_bps": 125} | values)))


def test_margin_and_fee_come_from_the_equity():
    """Half exposure, leverage 4, fee 1 %: N = 2 · (1020 − 0.01 N) = 2000, so 20 units at 100 and a fee of 20."""
    one = account(capital=1020, leverage=4, taker_bps=100)
    one.move(0, 100, exposure=0.5)
    assert one.size == pytest.approx(20)
    assert one.cash + one.size * 100 == pytest.approx(1000)
    assert one.fills == [(0, 100, pytest.approx(20), pytest.approx(20), "signal")]


def test_slippage_worsens_both_fills_of_both_sides():
    """1 %: a long buys 100 at 101 and sells at 99, a short sells at 99 and buys at 101."""
    one = account(slippage_bps=100)
    one.move(0, 100, exposure=0.5)
    one.move(1, 100, exposure=0)
    one.move(2, 100, exposure=-0.5)
    one.move(3, 100, exposure=0)
    assert [fill[1] for fill in one.fills] == pytest.approx([101, 99, 99, 101])


def test_an_enlargement_pays_for_the_difference_and_stays_one_trade():
    """1 % fee. 1005 at 0.5: N = 500, fee 5, 5 units of 100, 500 free.

    At 200 the position is worth 1000, equity 1500. Full exposure: N = 1500 − 0.01 · (N − 1000), so N = 1510 / 1.01,
    and the fee is of N − 1000 alone. One trade from flat to flat: entry is the mean price of both purchases.
    """
    one = account(capital=1005, taker_bps=100)
    one.move(0, 100, exposure=0.5)
    one.move(1, 200, exposure=1)
    notional = 1510 / 1.01
    assert one.size == pytest.approx(notional / 200)
    assert one.fills[1][3] == pytest.approx((notional - 1000) * 0.01)
    one.move(2, 200, exposure=0)
    assert len(one.trades) == 1
    assert one.trades[0][3] == pytest.approx((500 + notional - 1000) / (notional / 200))
    assert one.cash == pytest.approx(notional * 0.99)
    assert one.cash == pytest.approx(1005 + one.trades[0][7])


def test_a_reduction_pays_for_the_difference_and_stays_one_trade():
    """No fee. 10 units of 100; at 200 half exposure keeps 5 and sells 5 for 1000; closed at 100: 1000 + 500."""
    one = account()
    one.move(0, 100, exposure=1)
    one.move(1, 200, exposure=0.5)
    assert (one.size, one.cash) == pytest.approx((5, 1000))
    one.move(2, 100, exposure=0)
    assert one.cash == pytest.approx(1500)
    assert one.trades[0][3:9] == pytest.approx((100, 2, 150, 10, 500, 0))


def test_a_change_that_the_slippage_outweighs_does_not_fill():
    """5 %. 5 units at 100, 500 free; at 104 a little more exposure is wanted, 0.51.

    At the buyer's 109.2 it is 0.51 · (500 + 546) / 109.2 = 4.89 units, fewer than are held; at the seller's 98.8 it is
    0.51 · (500 + 494) / 98.8 = 5.13, more than are held.
    """
    one = account(slippage_bps=500)
    one.move(0, 100 / 1.05, exposure=0.5)
    one.move(1, 104, exposure=0.51)
    assert len(one.fills) == 1
    assert one.size == pytest.approx(5)


def test_liquidation_loses_the_margin_and_nothing_else():
    """Half of 1000 at tenfold leverage: 50 units of 100, margin 500. Bankrupt at 90; 500 stay."""
    one = account(leverage=10)
    one.move(0, 100, exposure=0.5)
    one.liquidate(1)
    assert one.cash == pytest.approx(500)
    assert one.trades == [(0, "long", 0, 100, 1, 90, pytest.approx(50), pytest.approx(-500), 0, -0.1, "liquidation")]


def test_nothing_is_left_of_a_full_stake_to_trade_with():
    """Equity after the loss is 0 to the last bit, and no later decision opens a position of dust."""
    one = account(capital=1234.56, leverage=7, taker_bps=4.5)
    one.move(0, 97.3, exposure=1)
    one.liquidate(1)
    one.move(2, 50, exposure=-1)
    assert one.cash == 0
    assert one.side == 0
    assert len(one.trades) == 1


def test_a_market_already_beyond_the_liquidation_price_takes_the_position_first():
    """Half of 1000 tenfold long from 100 (liquidated at 91.14): the market opens at 80 and the signal says short.

    Selling at 80 would lose 1000, more than the margin of 500. The margin is lost, and the short is opened with half
    of the other 500: N = 2500, 31.25 units.
    """
    one = account(leverage=10)
    one.move(0, 100, exposure=0.5)
    one.move(1, 80, exposure=-0.5)
    assert [trade[10] for trade in one.trades] == ["liquidation"]
    assert one.cash == pytest.approx(500 + 2500)
    assert one.size == pytest.approx(31.25)


def test_closing_never_costs_more_than_the_margin():
    """Tenfold long, no maintenance margin, fee 2 %: at 90.5 the position is worth 50 and closing would cost 181."""
    one = account(leverage=10, taker_bps=200, maintenance_bps=0)
    one.move(0, 100, exposure=1)
    one.move(1, 90.5, exposure=0)
    assert one.trades[0][10] == "liquidation"
    assert one.cash == 0
