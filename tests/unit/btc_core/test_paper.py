"""A paper account: cut anywhere it is the same account, and the one that a backtest has."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.paper import (
    EQUITY_SCHEMA,
    FUNDING_SCHEMA,
    ORDER_SCHEMA,
    PaperState,
    advance,
    opened,
    opening_of,
    orders_of,
    pending_since,
    standing_of,
    warm_up,
)
from btc_core.resample import CANDLE_SCHEMA
from btc_core.simulator.simulate import simulate
from btc_core.simulator.trades import TRADE_SCHEMA

START = datetime(2024, 3, 1, tzinfo=UTC)
FIVE = parse_interval("5m")
TERMS = (
    BacktestConfig(min_notional=0),
    BacktestConfig(leverage=20, taker_bps=10, slippage_bps=3, sz_decimals=3),
    BacktestConfig(stop_bps=80, target_bps=120, delay_minutes=3, min_notional=0),
    BacktestConfig(trailing_stop_bps=60, slippage_range=0.5, leverage=3),
    BacktestConfig(mode=Mode.SPOT, min_notional=0),
)


def made(chance: random.Random, n: int = 400) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return minutes with holes, decisions of five minutes (some are left out), and funding that is stamped late."""
    price, rows = 100.0, []
    for k in range(n):
        opened_at = price
        price *= 1 + chance.gauss(0, 0.004)
        high, low = max(opened_at, price) * (1 + chance.random() / 300), min(opened_at, price) / 1.002
        rows.append((START + k * MINUTE, opened_at, high, low, price, 1.0, 1, 1))
    for _ in range(4):
        first = chance.randrange(len(rows))
        del rows[first : first + chance.choice([1, 2, 7, 30])]
    minutes = pl.DataFrame(rows, schema=CANDLE_SCHEMA, orient="row")
    closes = [START + k * MINUTE for k in range(5, n + 1, 5) if chance.random() < 0.9]
    wanted = [0.0]
    for _ in closes:
        wanted.append(chance.choice([wanted[-1], wanted[-1], -1.0, 0.0, 0.4, 1.0]))
    orders = pl.DataFrame(
        [(time, w, 100 + chance.random()) for time, w in zip(closes, wanted[1:], strict=True)],
        schema=ORDER_SCHEMA,
        orient="row",
    )
    settled = [START + timedelta(minutes=60 * k, milliseconds=17 * k) for k in range(n // 60 + 1)]
    rates = [(time, chance.choice([1e-4, -3e-4, 1e-2])) for time in settled]
    return minutes, orders, pl.DataFrame(rates, schema=FUNDING_SCHEMA, orient="row")


def follow(minutes, orders, funding, config, cuts):
    """Take an account to the end in pieces; each begins with the JSON of the state before it, as after a restart."""
    state, trades, equity = opened(START, config), [], {}
    for end in cuts:
        begin = state.through
        told = orders.filter(pl.col("close_time").is_between(pending_since(state, config), end, closed="both"))
        inside = pl.col("time").is_between(begin, end, closed="left")
        done = advance(state, minutes.filter(inside), told, config, funding=funding.filter(pl.col("time") >= begin))
        trades.append(done.trades)
        equity |= {row[0]: row for row in done.equity.iter_rows()}
        state = msgspec.json.decode(msgspec.json.encode(done.state), type=PaperState)
    return state, pl.concat(trades), pl.DataFrame(list(equity.values()), schema=EQUITY_SCHEMA, orient="row")


@limits(max_examples=30)
@given(seed=st.integers(0, 2**32), terms=st.sampled_from(range(len(TERMS))))
def test_wherever_the_time_line_is_cut_the_account_is_the_same(seed, terms):
    """Law 5: state, trades and worth are those of one pass, bit for bit, restarts between all pieces."""
    chance, config = random.Random(seed), TERMS[terms]
    minutes, orders, funding = made(chance)
    end = START + 400 * MINUTE
    cuts = sorted({START + chance.randrange(1, 400) * MINUTE for _ in range(chance.choice([1, 3, 40]))} | {end})
    whole, pieces = (follow(minutes, orders, funding, config, each) for each in ([end], cuts))
    assert pieces[0] == whole[0]
    assert pieces[1].equals(whole[1])
    assert pieces[2].equals(whole[2])


@limits(max_examples=25)
@given(seed=st.integers(0, 2**32), terms=st.sampled_from(range(len(TERMS))))
def test_it_is_the_account_of_a_backtest(seed, terms):
    """Law 7: worth at each decision, and the trades that are over, are those of ``simulate`` over the same market."""
    config = TERMS[terms]
    minutes, orders, funding = made(random.Random(seed))
    end = START + 400 * MINUTE
    state, trades, equity = follow(minutes, orders, funding, config, [end])
    told = None if config.mode is Mode.SPOT else funding
    range_ = TimeRange(START, end + MINUTE)
    same = simulate(orders, minutes, config, range_=range_, interval=FIVE, funding=told)
    # A backtest closes what is open at its last minute's close.
    before = equity.filter(pl.col("time") < state.through).drop("wanted", "price")
    assert before.height > 20
    assert before.equals(same.equity.head(before.height))
    over = same.trades.filter(pl.col("exit_reason") != "end")
    assert trades.height == over.height == state.n_trades
    for name in TRADE_SCHEMA:
        # numpy adds more than eight fills of a trade up in another order.
        is_sum = name in {"pnl", "return", "fees", "funding", "entry_price", "exit_price", "quantity", "mae", "mfe"}
        if is_sum:
            assert trades[name].to_list() == pytest.approx(over[name].to_list(), rel=1e-9, abs=1e-9)
        else:
            assert trades[name].equals(over[name])


@given(seed=st.integers(0, 2**32), terms=st.sampled_from(range(len(TERMS))))
@limits(max_examples=25)
def test_an_account_closes_to_the_cent(seed, terms):
    """Equity = capital + Σ P&L of what is over + what the open trade is worth now; fees and funding add up."""
    config = TERMS[terms]
    minutes, orders, funding = made(random.Random(seed))
    state, trades, _ = follow(minutes, orders, funding, config, [START + 400 * MINUTE])
    now, open_ = standing_of(state), state.round
    running = 0.0
    if open_:
        unpaid = now.funding - trades["funding"].sum() - open_.funding
        running = open_.side * (open_.left - open_.entered) + now.quantity * now.price - open_.fees - open_.funding
        running -= unpaid
    assert now.equity == pytest.approx(config.capital + trades["pnl"].sum() + running, abs=1e-6)
    assert now.fees == pytest.approx(trades["fees"].sum() + (open_.fees if open_ else 0))
    assert now.equity == pytest.approx(now.cash + now.quantity * now.price)


def test_an_account_begins_with_the_minute_that_was_over_last():
    """A decision at 12:37:00 that is heard of half a second later is its first; one at 12:36 is not."""
    assert opening_of(datetime(2024, 3, 1, 12, 37, 0, 500_000, tzinfo=UTC)) == datetime(2024, 3, 1, 12, 36, tzinfo=UTC)


def test_an_order_waits_for_a_minute_that_exists():
    """Decided at 00:05, no minute before 00:09: filled there, at its open, and not before."""
    row = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5, "volume": 1.0, "trades": 1, "minutes": 1}
    minutes = pl.DataFrame([{"time": START + k * MINUTE} | row for k in range(20)], schema=CANDLE_SCHEMA)
    late = minutes.filter(~pl.col("time").is_between(START + 5 * MINUTE, START + 8 * MINUTE))
    order = orders_of(pl.DataFrame({"time": [START], "exposure": [1.0], "price": [100.0]}), FIVE)
    none, config = pl.DataFrame(schema=FUNDING_SCHEMA), TERMS[0]
    first = advance(opened(START, config), late.head(5), order, config, funding=none)
    assert (first.state.round, first.equity["wanted"].to_list()) == (None, [1.0])
    second = advance(first.state, late.slice(5), order, config, funding=none)
    assert second.state.round.entry_time == START + 9 * MINUTE
    assert second.state.round.entered / second.state.round.quantity == pytest.approx(late["open"][5])


def test_no_minute_and_no_decision_change_nothing():
    """A look at which nothing is there leaves the state as it is."""
    state = opened(START, TERMS[0])
    none = pl.DataFrame(schema=CANDLE_SCHEMA)
    orders, funding = pl.DataFrame(schema=ORDER_SCHEMA), pl.DataFrame(schema=FUNDING_SCHEMA)
    assert advance(state, none, orders, TERMS[0], funding=funding).state == state
    assert standing_of(state).equity == TERMS[0].capital


def test_warming_up_needs_nothing():
    """Whoever calls it early has the compiler's work done."""
    warm_up()
