"""The figures of a sweep are those of a backtest; here over markets in which every kind of exit happens."""

from datetime import timedelta

import numpy as np
import pytest

from btc_core.metrics import sharpe
from btc_core.model.backtest import BacktestConfig
from btc_core.model.timerange import TimeRange
from btc_core.simulator.market import prepare
from btc_core.simulator.outcome import Outcome, outcome_of, returns_of
from btc_core.simulator.simulate import describe, follow
from tests.markets import START, decided, market, rates

N = 4 * 1440
RANGE = TimeRange(START, START + timedelta(minutes=N))
CONFIGS = {
    "plain": BacktestConfig(),
    "lots": BacktestConfig(sz_decimals=2, slippage_bps=2),
    "exits": BacktestConfig(stop_bps=50, target_bps=80, trailing_stop_bps=60, leverage=3),
    "liquidations": BacktestConfig(leverage=35, max_leverage=40),
    "spot": BacktestConfig(mode="spot", delay_minutes=3),
}


@pytest.fixture(scope="module", params=[1, 2])
def played(request):
    """Four days of minutes that jump about, the exposures wanted at each hour's close, and funding."""
    chance = np.random.default_rng(request.param)
    opens = 100 * np.exp(np.cumsum(chance.normal(0, 0.002, N)))
    wanted = chance.choice([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0], N // 60)
    decisions = decided({60 * (i + 1): exposure for i, exposure in enumerate(wanted)})
    return decisions, market(*opens, without=range(700, 830)), rates({60 * i: 0.0001 for i in range(N // 60)})


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_figures_are_those_of_a_backtest(played, config):
    """Equal to the last bit: trades of many fills, funding, stops, liquidations, lots, coins."""
    decisions, minutes, funding = played
    ready = prepare(decisions, minutes, range_=RANGE, funding=funding, delay_minutes=config.delay_minutes)
    course = follow(ready, decisions["exposure"].to_numpy(), config)
    whole = describe(ready, course, config).results
    found = outcome_of(ready, decisions["exposure"].to_numpy(), config)
    assert found == Outcome(**{name: getattr(whole, name) for name in Outcome.__struct_fields__})
    assert found.n_trades > 2
    assert (found.n_liquidations > 0) == (config is CONFIGS["liquidations"])


def test_without_a_trade_there_are_no_rates():
    """What is undefined is None, and the capital stays."""
    ready = prepare(decided({1: 0, 5: 0}), market(*[100] * N), range_=RANGE)
    found = outcome_of(ready, np.zeros(2), BacktestConfig())
    assert (found.n_trades, found.win_rate, found.profit_factor, found.sharpe) == (0, None, None, None)
    assert (found.final_equity, found.total_return, found.exposure_time) == (10_000, 0, 0)


def test_the_returns_are_those_of_the_sharpe_ratio(played):
    """One for each day of the range; the ratio of them is the one that the sweep shows."""
    decisions, minutes, _funding = played
    ready = prepare(decisions, minutes, range_=RANGE)
    asked = (ready, decisions["exposure"].to_numpy(), BacktestConfig())
    returns = returns_of(*asked)
    assert len(returns) == 4
    assert sharpe(returns) == outcome_of(*asked).sharpe


def test_a_trade_still_closes_at_the_end():
    """Bought at 100 without costs and never sold: held for nine of ten minutes, gained what the market did."""
    ten = TimeRange(START, START + timedelta(minutes=10))
    config = BacktestConfig(capital=1000, taker_bps=0)
    ready = prepare(decided({1: 1}), market(*[100] * 9, 110, close=110), range_=ten)
    found = outcome_of(ready, np.ones(1), config)
    assert (found.n_trades, found.win_rate, found.exposure_time) == (1, 1.0, pytest.approx(0.9))
    assert found.final_equity == pytest.approx(1100)
    assert found.profit_factor is None
    assert found.max_drawdown == 0
