"""Laws of the simulator over any market: accounts close, the future does not act on the past, scale is scale."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.simulate import simulate

START = datetime(2025, 1, 1, 23, 30, tzinfo=UTC)
UTC_TIME = pl.Datetime("us", "UTC")
N_MINUTES = 60
RANGE = TimeRange(START, START + timedelta(minutes=N_MINUTES))
INTERVAL = parse_interval("3m")

changes = st.floats(-0.2, 0.2, allow_nan=False)
exposures = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@st.composite
def markets(draw):
    """A market of an hour with jumps, wicks and gaps; at least one minute."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.001, 0.02, 0.1]))
    opened = 100 * np.exp(np.cumsum(rng.normal(0, scale, N_MINUTES)))
    closed = opened * np.exp(rng.normal(0, scale, N_MINUTES))
    kept = rng.random(N_MINUTES) >= draw(st.sampled_from([0.0, 0.3, 0.9]))
    kept[draw(st.integers(0, N_MINUTES - 1))] = True
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(minutes=i) for i in range(N_MINUTES)],
            "open": opened,
            "high": np.maximum(opened, closed) * (1 + scale * rng.random(N_MINUTES)),
            "low": np.minimum(opened, closed) * (1 - scale * rng.random(N_MINUTES)),
            "close": closed,
        },
        schema_overrides={"time": UTC_TIME},
    )
    return frame.filter(pl.Series(kept))


@st.composite
def decisions(draw, wanted=exposures):
    """Decisions on some of the hour's 3m candles, priced anyhow."""
    closes = [START + timedelta(minutes=i) for i in range(3, N_MINUTES + 1, 3)]
    kept = [time for time in closes if draw(st.booleans())]
    return pl.DataFrame(
        {
            "close_time": kept,
            "exposure": [draw(wanted) for _ in kept],
            "price": [100 * (1 + draw(changes)) for _ in kept],
        },
        schema={"close_time": UTC_TIME, "exposure": pl.Float64, "price": pl.Float64},
    )


@st.composite
def fundings(draw):
    """Settlements on some of the hour's minutes, large enough to matter."""
    minutes = draw(st.lists(st.integers(0, N_MINUTES - 1), max_size=6, unique=True).map(sorted))
    return pl.DataFrame(
        {
            "time": [START + timedelta(minutes=minute, milliseconds=48) for minute in minutes],
            "funding_rate": [draw(st.floats(-0.02, 0.02, allow_nan=False)) for _ in minutes],
        },
        schema={"time": UTC_TIME, "funding_rate": pl.Float64},
    )


exits = st.sampled_from([None, 50.0, 500.0, 3000.0])
perpetual = {
    "capital": st.floats(1, 1e7),
    "leverage": st.sampled_from([0.5, 1.0, 3.0, 20.0]),
    "taker_bps": st.sampled_from([0.0, 4.5, 100.0]),
    "slippage_bps": st.sampled_from([0.0, 10.0, 200.0]),
    "maintenance_bps": st.sampled_from([0.0, 125.0]),
    "min_notional": st.just(0.0),
    "slippage_range": st.sampled_from([0.0, 0.3]),
    "stop_bps": exits,
    "target_bps": exits,
    "trailing_stop_bps": exits,
    "delay_minutes": st.sampled_from([0, 0, 2, 7]),
}
rounded = perpetual | {
    "min_notional": st.sampled_from([0.0, 10.0]),
    "sz_decimals": st.sampled_from([None, 0, 5]),
}
configs = st.builds(BacktestConfig, **perpetual)
any_config = st.builds(BacktestConfig, **rounded) | st.builds(
    BacktestConfig, **rounded | {"leverage": st.just(1.0), "mode": st.just("spot")}
)


def run(decided, minutes, config, funding=None):
    """Return the simulation of the hour."""
    return simulate(decided, minutes, config, range_=RANGE, interval=INTERVAL, funding=funding)


@given(decided=decisions(), minutes=markets(), config=any_config, funding=fundings())
def test_the_account_closes(decided, minutes, config, funding):
    """Equity = capital + Σ gross P&L − fees − funding, by the trades and by the fills, and is never below 0."""
    found = run(decided, minutes, config, funding)
    figures, cent = found.results, 1e-9 * config.capital * max(1, len(found.fills))
    turned_over = config.capital - (found.fills["price"] * found.fills["quantity"] + found.fills["fee"]).sum()
    fees, paid = found.fills["fee"].sum(), found.fills["funding"].sum()
    gross = (found.trades["pnl"] + found.trades["fees"] + found.trades["funding"]).sum()
    assert figures.final_equity == pytest.approx(config.capital + gross - fees - paid, abs=cent, rel=1e-9)
    assert figures.final_equity == pytest.approx(turned_over - paid, abs=cent, rel=1e-9)
    assert figures.final_equity == pytest.approx(config.capital + figures.total_pnl, abs=cent, rel=1e-9)
    assert figures.fees_paid == pytest.approx(fees, abs=cent)
    assert (figures.funding_paid or 0) == pytest.approx(paid, abs=cent)
    assert figures.final_equity >= -cent
    assert found.fills["quantity"].sum() == pytest.approx(0, abs=1e-9 * found.fills["quantity"].abs().sum())


@given(decided=decisions(), minutes=markets(), config=any_config)
def test_equity_is_never_below_0(decided, minutes, config):
    """Valued at prices that the market had, an isolated position never takes more than there is."""
    known = minutes.select(pl.col("time") + timedelta(minutes=1), pl.col("close"))
    priced = decided.join_asof(known, left_on="close_time", right_on="time").with_columns(
        price=pl.col("close").fill_null(100.0)
    )
    found = run(priced, minutes, config)
    assert found.equity["equity"].min() >= -1e-9 * config.capital
    assert found.equity["drawdown"].is_between(0, 1 + 1e-9).all()


@given(decided=decisions(), minutes=markets(), config=any_config, funding=fundings())
def test_stretches_give_what_every_minute_gives(decided, minutes, config, funding):
    """Looking at the extremes of whole stretches finds what looking at every minute finds, to the last bit.

    The same exposures said again every minute make a stretch of each.
    """
    often = pl.DataFrame(
        {"close_time": [START + timedelta(minutes=i) for i in range(1, N_MINUTES + 1)]},
        schema={"close_time": UTC_TIME},
    )
    often = often.join_asof(decided, on="close_time").with_columns(
        pl.col("exposure").fill_null(0.0), pl.col("price").fill_null(100.0)
    )
    each = simulate(often, minutes, config, range_=RANGE, interval=parse_interval("1m"), funding=funding)
    found = run(decided, minutes, config, funding)
    assert each.fills.equals(found.fills)
    assert each.trades.equals(found.trades)


@given(decided=decisions(), minutes=markets(), config=any_config)
def test_orders_are_whole_lots_and_worth_their_while(decided, minutes, config):
    """What a signal opens or enlarges is a multiple of the lot and at least the minimum."""
    found = run(decided, minutes, config)
    if config.sz_decimals is not None:
        lots = found.fills["quantity"] * 10**config.sz_decimals
        assert (lots - lots.round()).abs().max() in (None, pytest.approx(0, abs=1e-4))
    opened = found.trades["quantity"] * found.trades["entry_price"]
    assert opened.is_empty() or opened.min() >= config.min_notional * (1 - 1e-9)


@given(decided=decisions(), minutes=markets(), other=markets(), config=any_config, cut=st.integers(0, N_MINUTES))
def test_no_look_ahead(decided, minutes, other, config, cut):
    """Whatever the market does from an instant on: fills before it and equity up to it are the same."""
    at = START + timedelta(minutes=cut)
    before, after = minutes.filter(pl.col("time") < at), other.filter(pl.col("time") >= at)
    # The account is closed at the last minute there is: let there be one after the cut in both.
    assume(after.height > 0)
    assume(minutes["time"][-1] >= at)
    first, second = run(decided, minutes, config), run(decided, pl.concat([before, after]), config)
    assert first.fills.filter(pl.col("time") < at).equals(second.fills.filter(pl.col("time") < at))
    until = (pl.col("time") <= at) & (pl.col("time") < RANGE.end)
    assert first.equity.filter(until).equals(second.equity.filter(until))


@given(decided=decisions(), minutes=markets(), config=configs, cut=st.integers(0, N_MINUTES))
def test_later_decisions_do_not_act_on_earlier_fills(decided, minutes, config, cut):
    """Without the decisions known after an instant the fills before it are the same."""
    at = START + timedelta(minutes=cut)
    first, second = run(decided, minutes, config), run(decided.filter(pl.col("close_time") < at), minutes, config)
    earlier = (pl.col("time") < at) & (pl.col("reason") != "end")
    assert first.fills.filter(earlier).equals(second.fills.filter(earlier))


@given(minutes=markets(), capital=st.floats(1, 1e7))
def test_always_long_without_costs_is_buy_and_hold(minutes, capital):
    """Bought at the first open and held: the equity follows the market."""
    decided = pl.DataFrame(
        {"close_time": [START + timedelta(minutes=3 * i) for i in range(1, 21)], "exposure": 1.0, "price": 100.0},
        schema_overrides={"close_time": UTC_TIME},
    )
    minutes = minutes.filter(pl.col("time") >= decided["close_time"][0])
    assume(minutes.height > 0)
    found = run(decided, minutes, BacktestConfig(capital=capital, taker_bps=0, min_notional=0)).results
    assert found.buy_and_hold_return is not None
    assert found.total_return == pytest.approx(found.buy_and_hold_return, abs=1e-9)
    assert found.n_trades == 1


@given(decided=decisions(wanted=st.just(0.0)), minutes=markets(), config=any_config)
def test_wanting_nothing_trades_nothing(decided, minutes, config):
    """No exposure, no fill, no cost."""
    found = run(decided, minutes, config)
    assert found.fills.is_empty()
    assert found.results.final_equity == config.capital


@given(decided=decisions(), minutes=markets(), config=configs, power=st.integers(-10, 10))
def test_capital_scales_every_result(decided, minutes, config, power):
    """Twice the capital makes twice the result of every trade; a power of two leaves no rounding."""
    factor = 2.0**power
    values = {name: getattr(config, name) for name in config.__struct_fields__}
    scaled = BacktestConfig(**values | {"capital": config.capital * factor})
    first, second = run(decided, minutes, config), run(decided, minutes, scaled)
    assert (first.trades["pnl"] * factor).equals(second.trades["pnl"])
    assert (first.equity["equity"] * factor).equals(second.equity["equity"])
    assert first.trades["return"].equals(second.trades["return"])
