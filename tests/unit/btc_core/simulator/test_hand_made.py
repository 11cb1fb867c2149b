"""Ten candles each, worked out on paper: fees, funding, liquidation, stops, both in a minute, gaps, rounding, spot."""

import pytest

from tests.markets import at, decided, market, rates, run

FLAT = [100] * 10


def closed(simulation):
    """Return time, price and reason of each trade's end."""
    return simulation.trades.select("exit_time", "exit_price", "exit_reason").rows()


def test_fees_and_slippage_of_a_long():
    """Capital 1020.1, fee 1 %, slippage 1 %, bought at 100 and sold at 110.

    Bought at 101: N = 1020.1 − 0.01 · N, N = 1010, 10 units, fee 10.1. Sold at 108.9: 1089, fee 10.89.
    Left: 1078.11. P&L = 10 · (108.9 − 101) − 10.1 − 10.89 = 58.01 = 1078.11 − 1020.1. Slippage: 10 · 1 + 10 · 1.1.
    """
    found = run(decided({1: 1, 5: 0}), market(*[100] * 5, *[110] * 5), capital=1020.1, taker_bps=100, slippage_bps=100)
    assert found.fills["price"].to_list() == pytest.approx([101, 108.9])
    assert found.fills["fee"].to_list() == pytest.approx([10.1, 10.89])
    assert found.fills["slippage"].to_list() == pytest.approx([10, 11])
    assert found.results.slippage_paid == pytest.approx(21)
    assert found.results.total_pnl == pytest.approx(58.01)
    assert found.results.final_equity == pytest.approx(1078.11)


def test_slippage_as_a_share_of_the_minute_s_range():
    """A tenth of the range: minute 1 from 95 to 115 (2) buys at 102, minute 5 from 90 to 105 (1.5) sells at 98.5.

    510 / 102 = 5 units at half an exposure of 1020; 5 · (98.5 − 102) = −17.5.
    """
    minutes = market(*FLAT, low_1=95, high_1=115, low_5=90, high_5=105)
    found = run(decided({1: 0.5, 5: 0}), minutes, capital=1020, slippage_range=0.1)
    assert found.fills["price"].to_list() == pytest.approx([102, 98.5])
    assert found.results.total_pnl == pytest.approx(-17.5)


def test_slippage_of_the_whole_range_stays_in_the_minute():
    """A share of 1 from an open of 100 in a minute from 95 to 115 buys at 115, its high, not at 120."""
    found = run(decided({1: 1}), market(*FLAT, low_1=95, high_1=115), slippage_range=1)
    assert found.fills["price"][0] == 115


def test_a_long_pays_funding_and_a_short_receives_it():
    """10 units from minute 1 on; at 3, price 100, rate 1 %: 10. At 6, price 110, −2 %: −22. Together −12 is paid.

    A short of 10 units pays 12 in all. Long: 1000 + 10 · 10 + 12 = 1112; short: 1000 − 100 − 12 = 888.
    """
    minutes, paid = market(*[100] * 5, *[110] * 5), rates({3: 0.01, 6: -0.02})
    long, short = (run(decided({1: side}), minutes, funding=paid) for side in (1, -1))
    assert long.results.funding_paid == pytest.approx(-12)
    assert long.trades["funding"].to_list() == pytest.approx([-12])
    assert long.results.final_equity == pytest.approx(1112)
    assert short.results.funding_paid == pytest.approx(12)
    assert short.results.final_equity == pytest.approx(888)
    assert short.results.total_pnl == pytest.approx(-112)


def test_funding_is_paid_by_who_held_the_position_up_to_it():
    """Bought at the open of minute 3, the settlement of 3 is not yet paid; sold at that of 6, the one of 6 still is."""
    found = run(decided({3: 1, 6: 0}), market(*FLAT), funding=rates({3: 0.5, 5: 0.01, 6: 0.02, 7: 0.5}))
    assert found.results.funding_paid == pytest.approx(10 + 20)


def test_equity_between_two_fills_knows_the_funding():
    """10 units; 1 % of 1000 at minute 3 is missing from the point of 4, not yet from that of 3."""
    found = run(decided({1: 1, 3: 1, 4: 1}), market(*FLAT), funding=rates({3: 0.01}))
    assert found.equity["equity"].to_list() == pytest.approx([1000, 1000, 990, 990])


@pytest.mark.parametrize(("rate", "n_liquidations"), [(0.0, 0), (0.01, 1)])
def test_funding_takes_from_the_margin(rate, n_liquidations):
    """Tenfold long, 100 units from 100, margin 1000, no maintenance: lost at 90. 1 % of 10000 leaves 900: lost at 91.

    Half an exposure, so 1000 of 2000 are free. A low of 90.5 in minute 5.
    """
    minutes = market(*FLAT, low_5=90.5)
    config = {"capital": 2000, "leverage": 10, "maintenance_bps": 0}
    found = run(decided({1: 0.5}), minutes, funding=rates({3: rate}), **config)
    assert found.results.n_liquidations == n_liquidations
    if n_liquidations:
        assert closed(found) == [(at(5), pytest.approx(91), "liquidation")]
        assert found.results.final_equity == 1000
        assert found.results.funding_paid == pytest.approx(100)
        assert found.trades["pnl"].to_list() == pytest.approx([-1000])


def test_a_short_is_liquidated_by_a_high():
    """Fivefold short from 100: 120 / 1.0125 = 118.52. Half the equity is lost at 120, the other half is free."""
    found = run(decided({1: -0.5}), market(*FLAT, high_4=119), leverage=5)
    assert closed(found) == [(at(4), pytest.approx(120), "liquidation")]
    assert found.results.final_equity == pytest.approx(500)


@pytest.mark.parametrize(("most", "spared", "lost"), [(40, 81.1, 80.9), (10, 84.3, 84.1), (5, 88.9, 88.8)])
def test_a_coin_with_less_leverage_is_lost_earlier(most, spared, lost):
    """Fivefold long from 100: 50 units for 5000, margin 1000; lost where 1000 + 50 · (p − 100) = m · 50 · p.

    m is half of the initial margin at the coin's most leverage. 40x, 1.25 %: p = 80 / 0.9875 = 81.01. 10x, 5 %: 80 /
    0.95 = 84.21. 5x, 10 %: 80 / 0.9 = 88.89.
    """
    terms = {"leverage": 5, "max_leverage": most}
    assert run(decided({1: 1}), market(*FLAT, low_4=spared), **terms).results.n_liquidations == 0
    assert run(decided({1: 1}), market(*FLAT, low_4=lost), **terms).results.n_liquidations == 1


def test_a_stop_fills_at_its_price_and_keeps_the_account_flat():
    """Stop 5 % below 100: minute 4 falls to 94, sold at 95, fee 1 % of 950·.

    1010 buys 10 units (fee 10); 950 − 9.5 = 940.5 are left. Wanting 1 on changes nothing; 0 and 1 again buys.
    """
    exposures = dict.fromkeys(range(1, 8), 1) | {8: 0, 9: 1}
    found = run(decided(exposures), market(*FLAT, low_4=94), capital=1010, taker_bps=100, stop_bps=500)
    assert closed(found)[0] == (at(4), pytest.approx(95), "stop")
    assert found.trades["pnl"][0] == pytest.approx(940.5 - 1010)
    assert found.trades["entry_time"].to_list() == [at(1), at(9)]


def test_a_target_rests_in_the_book_and_pays_the_maker_fee():
    """Target 5 % above 100, fee 1 % as taker and 0.5 % as maker, slippage 1 % on market orders only.

    1020.1 buys 10 units at 101 (fee 10.1); the target is 106.05: 1060.5 less 5.3025.
    """
    costs = {"capital": 1020.1, "taker_bps": 100, "maker_bps": 50, "slippage_bps": 100}
    found = run(decided({1: 1}), market(*FLAT, high_6=107), target_bps=500, **costs)
    assert closed(found) == [(at(6), pytest.approx(106.05), "target")]
    assert found.fills["fee"].to_list() == pytest.approx([10.1, 5.3025])
    assert found.results.final_equity == pytest.approx(1060.5 - 5.3025)


def test_a_minute_that_holds_both_ends_at_the_worse():
    """Stop at 95 and target at 105, minute 4 goes from 94 to 106: sold at 95."""
    found = run(decided({1: 1}), market(*FLAT, low_4=94, high_4=106), stop_bps=500, target_bps=500)
    assert closed(found) == [(at(4), pytest.approx(95), "stop")]


def test_a_short_s_stop_is_above_and_its_target_below():
    """Stop at 105, target at 95. Minute 4 reaches 95: 10 units bought back for 950."""
    found = run(decided({1: -1}), market(*FLAT, low_4=94, high_7=106), stop_bps=500, target_bps=500)
    assert closed(found) == [(at(4), pytest.approx(95), "target")]
    assert found.results.final_equity == pytest.approx(1050)


def test_a_gap_through_the_stop_fills_at_the_open():
    """Stop at 95; minutes 3 to 5 are missing and minute 6 opens at 80: sold there. A trade across a gap."""
    found = run(decided({1: 1}), market(*[100] * 6, *[80] * 4, without=(3, 4, 5)), stop_bps=500)
    assert closed(found) == [(at(6), pytest.approx(80), "stop")]
    assert found.results.final_equity == pytest.approx(800)
    assert found.trades["missing_minutes"].to_list() == [3]
    assert (found.results.n_missing_minutes, found.results.n_trades_across_gaps) == (3, 1)


def test_a_gap_through_the_target_fills_at_the_target():
    """Target at 105; minute 6 opens at 120: the order rested at 105 and was taken there."""
    found = run(decided({1: 1}), market(*[100] * 6, *[120] * 4), target_bps=500)
    assert closed(found)[0] == (at(5), pytest.approx(105), "target")


def test_a_trailing_stop_follows_from_the_next_minute_on():
    """10 % below the best: minute 3 goes to 120 and back to 107, which counts against 90, not against 108.

    From minute 4 on the stop is 108: minute 4 opens at 110 and falls to 107: sold at 108.
    """
    minutes = market(100, 100, 100, 100, 110, *[110] * 5, high_3=120, low_3=107, low_4=107)
    found = run(decided({1: 1}), minutes, trailing_stop_bps=1000)
    assert closed(found) == [(at(4), pytest.approx(108), "stop")]


def test_the_nearer_of_stop_and_liquidation_comes_first():
    """Tenfold long from 100 (lost at 91.14): a stop at 95 saves it at 95, a stop at 90 does not."""
    minutes = market(*FLAT, low_5=85)
    near, far = (run(decided({1: 1}), minutes, leverage=10, stop_bps=bps) for bps in (500, 1000))
    assert closed(near) == [(at(5), pytest.approx(95), "stop")]
    assert near.results.final_equity == pytest.approx(500)
    assert closed(far) == [(at(5), pytest.approx(90), "liquidation")]


def test_a_market_that_opens_beyond_the_liquidation_price_is_lost_despite_the_stop():
    """Tenfold long from 100, stop at 95: minute 5 opens at 80, beyond 91.14: the margin is gone."""
    found = run(decided({1: 0.5}), market(*[100] * 5, *[80] * 5, low_4=100), leverage=10, stop_bps=500)
    assert closed(found) == [(at(5), pytest.approx(90), "liquidation")]
    assert found.results.final_equity == 500


def test_sizes_are_rounded_down_to_whole_lots():
    """1000 at 30 is 33.33 units: with 1 decimal 33.3 (999), with none 33 (990). A third of the exposure: 11."""
    tenths = run(decided({1: 1}), market(*[30] * 10), sz_decimals=1)
    assert tenths.trades["quantity"].to_list() == pytest.approx([33.3])
    wholes = run(decided({1: 1, 4: 1 / 3}), market(*[30] * 10), sz_decimals=0)
    # 1000 / 3 / 30 = 11.1 are wanted, so 33 − 11.1 = 21.9 are too many: 21 are sold.
    assert wholes.fills["quantity"].to_list() == pytest.approx([33, -21, -12])


def test_orders_below_the_minimum_are_not_sent_but_a_close_is():
    """Minimum 10: 0.9 % of 1000 is 9 and opens nothing. From 5 %, one more is 10 and goes; half a percent does not.

    Half a unit bought at 100 is worth 5 at 10: closing it is possible.
    """
    found = run(decided({1: 0.009, 2: 0.05, 3: 0.06, 4: 0.065, 6: 0}), market(*FLAT))
    assert found.fills["quantity"].to_list() == pytest.approx([0.5, 0.1, -0.6])
    assert found.results.n_unfilled == 2
    small = run(decided({1: 0.05, 6: 0}), market(*[100] * 5, *[10] * 5))
    assert small.fills["quantity"].to_list() == pytest.approx([0.5, -0.5])


def test_an_order_takes_the_configured_delay():
    """Known at 3, two minutes on the way: bought at the open of minute 5, 125; held at 6 for the first time."""
    found = run(decided({3: 1, 4: 1, 5: 1, 6: 1}), market(*[100] * 5, *[125] * 5), delay_minutes=2)
    assert found.fills.row(0)[:3] == (at(5), 125, pytest.approx(8))
    assert found.equity["exposure"].to_list() == [0, 0, 0, 1, 0]


def test_spot_buys_for_equal_money_whatever_the_price_does():
    """A quarter of 1000 each at 100, 50, 200 and 125: 2.5 + 5 + 1.25 + 2 = 10.75 units for 1000: 93.02 each.

    Worth 125 at the end: 1343.75.
    """
    minutes = market(100, 100, 50, 50, 200, 200, 125, 125, 125, 125)
    found = run(decided({1: 0.25, 2: 0.5, 4: 0.75, 6: 1}), minutes, mode="spot")
    assert found.fills["quantity"].to_list() == pytest.approx([2.5, 5, 1.25, 2, -10.75])
    assert found.results.accumulated == pytest.approx(10.75)
    assert found.results.average_cost == pytest.approx(1000 / 10.75)
    assert found.results.final_equity == pytest.approx(1343.75)
    # Plain DCA: one day, one purchase, at its first open.
    assert found.results.dca_average_cost == 100
    assert found.results.dca_accumulated == pytest.approx(10)
    assert found.results.dca_return == pytest.approx(0.25)


def test_spot_fees_are_inside_the_money_that_is_spent():
    """Half of 1010 with 1 % fee: 505 / 1.01 = 500 buys 5 units, fee 5, cost 101 each; then the other half."""
    found = run(decided({1: 0.5, 3: 1}), market(*FLAT), capital=1010, taker_bps=100, mode="spot")
    assert found.fills["quantity"].to_list() == pytest.approx([5, 5, -10])
    assert found.results.average_cost == pytest.approx(101)
    assert found.results.dca_average_cost == pytest.approx(101)
    assert found.results.dca_accumulated == pytest.approx(10)


def test_spot_sells_shares_of_the_coins_and_knows_no_shorts():
    """All in at 100 (10 units), at 150 half of them sold (750), −1 sells the rest at 200 (1000)."""
    minutes = market(100, 100, 100, 150, 150, 200, 200, 200, 200, 200)
    found = run(decided({1: 1, 3: 0.5, 5: -1}), minutes, mode="spot")
    assert found.fills["quantity"].to_list() == pytest.approx([10, -5, -5])
    assert found.results.final_equity == pytest.approx(1750)
    assert found.results.accumulated == 0
    assert found.results.dca_accumulated is None


def test_spot_is_never_liquidated_and_pays_no_funding():
    """A fall to 1 and back: still there. Rates of a perpetual do not concern it."""
    found = run(decided({1: 1}), market(*FLAT, low_5=1), funding=rates({3: 0.5}), mode="spot")
    assert found.results.n_liquidations == 0
    assert found.results.funding_paid == 0
    assert found.results.final_equity == pytest.approx(1000)


def test_a_purchase_too_small_goes_with_the_next():
    """Steps of 0.5 % of 1000 are 5: below the minimum of 10 alone, sent in twos."""
    exposures = {minute: minute * 0.005 for minute in range(1, 7)}
    found = run(decided(exposures), market(*FLAT), mode="spot")
    assert found.fills["quantity"].to_list() == pytest.approx([0.1, 0.1, 0.1, -0.3])
    assert found.results.n_unfilled == 3


def test_a_long_and_a_short_with_everything_that_there_is_to_pay():
    """Capital 1050, fivefold, fee 1 %. Long: N = 5 · (1050 − 0.01 · N) = 5000, 50 units at 100, fee 50.

    Minute 3, rate 2.46 %: 123. Minute 5, sold at 104: 5200, fee 52; 200 − 50 − 52 − 123 = −25, and 1025 are left.
    Minute 6, half short at 100: N = 2.5 · (1025 − 0.01 · N) = 2500, 25 units, fee 25; the margin is half of 1000.
    Minute 7, rate −0.4 %, which a short pays: 10, and 490 of the margin are left. It is lost where 490 − 25 · (p − 100)
    = 1.25 % · 25 · p, p = 118.12, within minute 8; all of the margin, so booked at 100 + 490 / 25 = 119.6: −490 − 25 −
    10 = −525. The other 500 were free. 1050 − 25 − 525 = 500; fees 127, funding 133.
    """
    minutes, paid = market(*[100] * 5, 104, *[100] * 4, high_8=118.2), rates({3: 0.0246, 7: -0.004})
    found = run(decided({1: 1, 5: 0, 6: -0.5}), minutes, funding=paid, capital=1050, leverage=5, taker_bps=100)
    assert closed(found) == [(at(5), 104, "signal"), (at(8), pytest.approx(119.6), "liquidation")]
    assert found.trades["quantity"].to_list() == pytest.approx([50, 25])
    assert found.trades["pnl"].to_list() == pytest.approx([-25, -525])
    assert found.trades["fees"].to_list() == pytest.approx([102, 25])
    assert found.trades["funding"].to_list() == pytest.approx([123, 10])
    assert (found.results.fees_paid, found.results.funding_paid) == (pytest.approx(127), pytest.approx(133))
    assert (found.results.final_equity, found.results.total_pnl) == (pytest.approx(500), pytest.approx(-550))


def test_excursions_are_measured_from_the_entry_price():
    """Long at 100 from minute 1 to 6: down to 90 in between (0.1), up to 130 (0.3); extremes outside do not count."""
    minutes = market(*FLAT, low_0=10, low_3=90, high_4=130, high_6=500)
    found = run(decided({1: 1, 6: 0}), minutes)
    assert found.trades["mae"].to_list() == pytest.approx([0.1])
    assert found.trades["mfe"].to_list() == pytest.approx([0.3])


def test_unknown_funding_is_flagged():
    """Nothing known: null and all hours flagged. Ten minutes from midnight hold one settlement."""
    unknown = run(decided({1: 1}), market(*FLAT))
    assert (unknown.results.funding_paid, unknown.results.funding_missing_hours) == (None, 1)
    known = run(decided({1: 1}), market(*FLAT), funding=rates({0: 0.01}))
    assert (known.results.funding_paid, known.results.funding_missing_hours) == (0, 0)
