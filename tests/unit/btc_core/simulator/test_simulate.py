"""Ten-minute markets, worked out by hand: what fills when, and what it earns."""

import subprocess
import sys

import msgspec
import polars as pl
import pytest

from btc_core.errors import DataError
from btc_core.model.backtest import Trade
from btc_core.model.timerange import TimeRange
from tests.markets import at, decided, market, run


def test_a_change_fills_at_the_open_of_the_next_minute_and_closes_at_the_end():
    """Known at 3, bought at the open of minute 3 (100): 10 units. Last close 120: 1200, closed at minute 10."""
    simulation = run(decided({3: 1}), market(90, 90, 90, 100, 105, 105, 105, 105, 105, 110, close=120))
    trade = simulation.trades.row(0, named=True)
    assert (trade["entry_time"], trade["entry_price"], trade["quantity"]) == (at(3), 100, 10)
    assert (trade["exit_time"], trade["exit_price"], trade["exit_reason"]) == (at(10), 120, "end")
    assert simulation.results.final_equity == pytest.approx(1200)
    assert simulation.results.exposure_time == pytest.approx(0.7)
    assert simulation.results.buy_and_hold_return == pytest.approx(120 / 90 - 1)


def test_fees_are_taken_at_every_fill():
    """1 %: N = 1010 − 0.01 N = 1000, fee 10; sold at 110 for 1100, fee 11; 1089 are left."""
    simulation = run(decided({1: 1, 5: 0}), market(*[100] * 5, *[110] * 5), capital=1010, taker_bps=100)
    assert simulation.fills["fee"].to_list() == pytest.approx([10, 11])
    assert simulation.results.final_equity == pytest.approx(1089)
    assert simulation.results.fees_paid == pytest.approx(21)
    assert simulation.trades["pnl"].to_list() == pytest.approx([79])
    assert simulation.trades["return"].to_list() == pytest.approx([0.079])


def test_slippage_worsens_every_fill_the_last_too():
    """1 %: 10 units bought at 101 for 1010; at the end sold at 110 · 0.99 = 108.9 for 1089."""
    simulation = run(decided({1: 1}), market(*[100] * 5, *[110] * 5), capital=1010, slippage_bps=100)
    assert simulation.fills["price"].to_list() == pytest.approx([101, 108.9])
    assert simulation.results.final_equity == pytest.approx(1089)
    assert simulation.results.fees_paid == 0


def test_a_reversal_is_a_close_and_an_open_each_with_its_fee():
    """1 %: 1010 buys 10 units at 100, fee 10. At 101 sold for 1010, fee 10.1: 999.9 are left.

    The short at the same open: N = 999.9 − 0.01 N = 990, fee 9.9. Closed at 101 at the end, fee 9.9: 980.1.
    """
    simulation = run(decided({1: 1, 5: -1}), market(*[100] * 5, *[101] * 5), capital=1010, taker_bps=100)
    assert simulation.trades["side"].to_list() == ["long", "short"]
    assert simulation.trades["exit_time"][0] == simulation.trades["entry_time"][1] == at(5)
    assert simulation.trades["pnl"].to_list() == pytest.approx([-10.1, -19.8])
    assert simulation.fills["fee"].to_list() == pytest.approx([10, 10.1, 9.9, 9.9])
    assert simulation.results.final_equity == pytest.approx(980.1)


def test_the_quantity_is_held_while_the_exposure_stays():
    """The same exposure at new prices buys and sells nothing: one fill in, one at the end."""
    exposures = dict.fromkeys(range(1, 11), 0.5)
    simulation = run(decided(exposures), market(100, 100, 120, 80, 150, 90, 100, 100, 100, 100))
    assert simulation.fills["quantity"].to_list() == pytest.approx([5, -5])
    assert simulation.results.n_candles == 10


def test_exposure_and_leverage_size_the_position():
    """Half of 1000, threefold: 1500 at 100, short. Down to 90 it gains 150."""
    simulation = run(decided({1: -0.5}), market(*[100] * 9, 90), leverage=3)
    assert simulation.trades["quantity"].to_list() == pytest.approx([15])
    assert simulation.results.final_equity == pytest.approx(1150)


@pytest.mark.parametrize(("low", "n_liquidations"), [(91.13, 1), (91.14, 0)])
def test_a_long_is_liquidated_where_a_low_reaches_its_price(low, n_liquidations):
    """Tenfold from 100: 100 · 0.9 / 0.9875 = 91.139. Below, the whole margin (here all) is lost at once."""
    simulation = run(decided({1: 1}), market(*[100] * 10, low_6=low), leverage=10)
    assert simulation.results.n_liquidations == n_liquidations
    if n_liquidations:
        assert simulation.trades.row(0)[4:6] == (at(6), pytest.approx(90))
        assert simulation.results.final_equity == 0


def test_a_short_without_leverage_can_be_liquidated():
    """From 100: 200 / 1.0125 = 197.53. A high of 198 takes all; half an exposure loses half."""
    minutes = market(*[100] * 10, high_4=198)
    assert run(decided({1: -1}), minutes).results.final_equity == 0
    assert run(decided({1: -0.5}), minutes).results.final_equity == pytest.approx(500)


def test_a_liquidated_account_stays_flat_until_the_exposure_changes():
    """Half of 1000 tenfold, lost in minute 2. The same at 3 to 5 opens nothing, 0 at 6 neither, 0.5 at 7 does."""
    exposures = {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5, 5: 0.5, 6: 0, 7: 0.5}
    simulation = run(decided(exposures), market(*[100] * 10, low_2=50), leverage=10)
    assert simulation.trades["exit_reason"].to_list() == ["liquidation", "end"]
    assert simulation.trades["entry_time"].to_list() == [at(1), at(7)]
    assert simulation.trades["quantity"].to_list() == pytest.approx([50, 25])
    assert simulation.results.final_equity == pytest.approx(500)


def test_within_a_minute_the_fill_comes_before_the_extremes():
    """Tenfold. Minute 5 falls to 50: the short that was opened at its open gains, the long it replaced is not lost.

    The low of minute 1 comes after the entry at its open and takes the long of the other market.
    """
    reversed_ = run(decided({1: 1, 5: -1}), market(*[100] * 10, low_5=50), leverage=10)
    assert reversed_.results.n_liquidations == 0
    entered = run(decided({1: 1}), market(*[100] * 10, low_1=50), leverage=10)
    assert entered.trades.row(0)[2] == entered.trades.row(0)[4] == at(1)


def test_an_extreme_before_the_entry_or_after_the_exit_does_not_count():
    """Tenfold long from 3 to 5; minutes 2 and 5 fall to 50."""
    simulation = run(decided({3: 1, 5: 0}), market(*[100] * 10, low_2=50, low_5=50), leverage=10)
    assert simulation.results.n_liquidations == 0


def test_a_gap_delays_the_fill_to_the_next_minute_there_is():
    """Known at 3, minutes 3 to 5 are missing: bought at the open of 6, 125, 8 units."""
    simulation = run(decided({3: 1}), market(*[100] * 6, *[125] * 4, without=(3, 4, 5)))
    assert simulation.fills.row(0)[:3] == (at(6), 125, pytest.approx(8))


def test_of_the_changes_in_a_gap_the_last_counts():
    """Long at 3 and short at 4 both wait for minute 6: what is known there is the short. No fee for the other."""
    simulation = run(decided({3: 1, 4: -1}), market(*[100] * 10, without=(3, 4, 5)), taker_bps=100)
    assert simulation.trades["side"].to_list() == ["short"]
    there_and_back = run(decided({1: 1, 3: 0, 4: 1}), market(*[100] * 10, without=(3, 4, 5)), taker_bps=100)
    assert len(there_and_back.trades) == 1


def test_a_decision_with_no_minute_after_it_does_not_fill():
    """Known at the end, or before a gap that lasts until the end: counted, not filled."""
    late = run(decided({9: 0, 10: 1}), market(*[100] * 10))
    assert (late.results.n_trades, late.results.n_candles) == (0, 2)
    assert run(decided({8: 1}), market(*[100] * 10, without=(8, 9))).results.n_trades == 0


def test_the_last_position_closes_at_the_last_minute_there_is():
    """Minutes 8 and 9 are missing: closed at the close of minute 7, 110, at 8, with its fee of 1 %."""
    minutes = market(*[100] * 8, 110, 110, without=(8, 9))
    simulation = run(decided({1: 1, 9: 1}), minutes, capital=1010, taker_bps=100)
    assert simulation.trades.row(0)[4:6] == (at(8), pytest.approx(110))
    assert simulation.results.final_equity == pytest.approx(1100 * 0.99)
    # The candle that closes at 9 finds the account flat.
    assert simulation.equity["exposure"].to_list() == [0, 0, 0]


def test_the_curve_has_a_point_per_decision_and_one_at_the_end():
    """Marked at the candle's close before the decision's own fill; the decision at 10 gives way to the end."""
    decisions = decided({2: 1, 5: 1, 10: 0}).with_columns(price=pl.Series([100.0, 90.0, 110.0]))
    simulation = run(decisions, market(*[100] * 9, 100, close=110), taker_bps=0)
    assert simulation.equity["time"].to_list() == [at(2), at(5), at(10)]
    assert simulation.equity["equity"].to_list() == pytest.approx([1000, 900, 1100])
    assert simulation.equity["drawdown"].to_list() == pytest.approx([0, 0.1, 0])
    assert simulation.equity["exposure"].to_list() == pytest.approx([0, 1, 0])


def test_rows_outside_the_range_are_left_out():
    """The range is (2, 6]: the decision at 2 belongs to the range before; minutes 2 to 5 count."""
    range_ = TimeRange(at(2), at(6))
    minutes = market(10, 20, 100, 100, 100, 100, 500, 500, 500, 500)
    simulation = run(decided({1: -1, 2: -1, 3: 1, 6: 1, 7: 0}), minutes, range_=range_)
    assert simulation.results.n_candles == 2
    assert simulation.fills["time"].to_list() == [at(3), at(6)]
    assert simulation.results.buy_and_hold_return == pytest.approx(4)
    assert simulation.equity["time"].to_list() == [at(3), at(6)]


@pytest.mark.parametrize("minutes", [market(*[100] * 10), market(100, without=(0,))], ids=["market", "no market"])
def test_no_decisions_leave_the_capital_alone(minutes):
    """One point at the end, no trades, and what is undefined is None."""
    simulation = run(decided({}), minutes)
    assert simulation.equity.rows() == [(at(10), 1000, 0, 0)]
    assert simulation.trades.is_empty()
    assert simulation.fills.is_empty()
    assert simulation.results.win_rate is None
    assert simulation.results.sharpe is None
    assert simulation.results.total_return == 0


def test_decisions_without_a_market_leave_the_capital_alone():
    """Nothing to fill at: the points are there, the trades are not."""
    simulation = run(decided({1: 1, 2: -1}), market(100, without=(0,)))
    assert simulation.equity["equity"].to_list() == [1000, 1000, 1000]
    assert simulation.results.buy_and_hold_return is None


def test_trades_are_rows_of_the_model():
    """A row of the frame converts to a ``Trade`` field by field."""
    row = run(decided({1: 1, 5: -1}), market(*[100] * 10)).trades.to_dicts()[1]
    trade = msgspec.convert(row, Trade)
    assert msgspec.to_builtins(trade)["side"] == "short"
    assert trade.return_ == row["return"]


@pytest.mark.parametrize(
    ("decisions", "interval", "word"),
    [
        (decided({4: 1.5}), "1m", "-1, 1"),
        (decided({4: 1, 3: 0}), "1m", "ascending"),
        (decided({4: 1}).with_columns(exposure=pl.lit(float("nan"))), "1m", "exposure"),
        (decided({4: 1}).with_columns(price=pl.lit(None, dtype=pl.Float64)), "1m", "price"),
        (decided({4: 1}), "3m", "3m candles"),
        (decided({4: 1}), "1M", "1M candles"),
    ],
)
def test_decisions_that_cannot_be_meant_are_refused(decisions, interval, word):
    """An exposure out of bounds, a missing value, disorder and closes of another interval do not reach the account."""
    with pytest.raises(DataError, match=word):
        run(decisions, market(*[100] * 10), interval=interval)


def test_minutes_that_repeat_are_refused():
    """A minute twice would count its fill twice."""
    minutes = market(*[100] * 10)
    with pytest.raises(DataError, match="ascending"):
        run(decided({4: 1}), pl.concat([minutes, minutes[-1:]]))


def test_only_what_simulates_loads_the_compiler():
    """The code location, the live lane and ``btc --help`` import the simulator and do not pay for numba."""
    code = (
        "import sys; import btc_assets.definitions, btc_assets.cli, live.lane, btc_store.backtests; "
        "import btc_core.simulator.simulate; print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "False"


def test_what_is_compiled_may_be_loaded_before_by_a_thread():
    """While somebody else uses it already: it is loaded once, and what was loaded serves."""
    code = (
        "import sys, threading; from btc_core.simulator.simulate import get_ready; "
        "threads = [threading.Thread(target=get_ready) for _ in range(3)]; [thread.start() for thread in threads]; "
        "get_ready(); [thread.join() for thread in threads]; from btc_core.simulator import kernel; "
        "print(len(kernel.follow.signatures), len(kernel.mark.signatures))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert (done.stdout.strip(), done.stderr) == ("1 1", "")
