"""A sweep over stored minutes: every trial's figures are those of a backtest with its parameters, to the last bit."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.outcome import Outcome
from btc_core.strategy import load_strategy
from btc_core.sweep_trial import Trial, try_all
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.frames import open_frames
from btc_store.quality import find_gaps
from btc_store.sweeps import read_grounds
from tests.derivation import RULE, made_minutes, note_no_trade, store_minutes

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 12, tzinfo=UTC))
LATE = TimeRange(HISTORY.start + timedelta(days=4, minutes=11), HISTORY.end - timedelta(minutes=3))
INTERVALS = [parse_interval("37m"), parse_interval("1h")]
STOPS = BacktestConfig(stop_bps=60, target_bps=90, trailing_stop_bps=80, leverage=3, delay_minutes=2, slippage_bps=1)


@pytest.fixture
def frames(database_url):
    """A database with nine days of minutes, gaps and ties in them; some of the gaps are known to be silence."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(HISTORY, random.Random(8), n_gaps=9))
        note_no_trade(opened, "BTC", find_gaps(opened, "BTC", HISTORY)[::2])
        yield opened


def trials_of(frames, strategies, *, range_, config):
    """Return every strategy in every interval, tried."""
    grounds = read_grounds(frames, "BTC", INTERVALS, strategies, range_=range_, rule=RULE)
    arenas = [ground.arena(range_, config) for ground in grounds]
    trials = [Trial(arena, (i,), strategy) for arena in arenas for i, strategy in enumerate(strategies)]
    return list(try_all(trials, n_threads=2))


def backtest_of(frames, trial, *, range_, config):
    """Return what a backtest says of a trial."""
    request = BacktestRequest(
        symbol="BTC", interval=trial.arena.interval, strategy=trial.strategy, range_=range_, config=config
    )
    results = run_backtest(frames, request, rule=RULE, run_id="test").simulation.results
    return Outcome(**{name: getattr(results, name) for name in Outcome.__struct_fields__})


@pytest.mark.parametrize("range_", [HISTORY, LATE], ids=["from the first minute", "in the middle"])
@pytest.mark.parametrize(
    ("name", "swept", "config"),
    [
        ("ma", [{"period": 5}, {"period": 40, "side": 1}, {"period": 170}], BacktestConfig()),
        ("ma", [{"period": 5}, {"period": 40}], STOPS),
        ("macd_trend", [{}, {"fast": 5, "slow": 9}], BacktestConfig(slippage_range=0.1)),
        ("rsi_reversion", [{"period": 3}, {"period": 14}], BacktestConfig()),
        ("multi", [{"days": 2}, {"days": 3}], BacktestConfig()),
        ("buy_and_hold", [{}], BacktestConfig(capital=5)),
    ],
)
def test_every_figure_is_that_of_a_backtest(frames, name, swept, config, range_):
    """Gaps, silence, a warm-up within the range and before it, stops, other intervals: equal to the last bit."""
    strategies = [load_strategy(name, parameters) for parameters in swept]
    done = trials_of(frames, strategies, range_=range_, config=config)
    assert len(done) == len(swept) * len(INTERVALS)
    # An order below the exchange's minimum is not sent.
    assert any(trial.outcome.n_trades for trial in done) == (config.capital > 10)
    for trial in done:
        assert trial.outcome == backtest_of(frames, trial, range_=range_, config=config)


def test_a_plan_of_purchases_is_spot_as_in_a_backtest(frames):
    """What spends a capital buys coins; many fills make one trade, whose sums have the same order."""
    strategies = [load_strategy("dca", {"start": 20240603, "every_hours": n, "purchases": 30}) for n in (3, 4)]
    spot = msgspec.structs.replace(BacktestConfig(), mode=Mode.SPOT)
    done = trials_of(frames, strategies, range_=LATE, config=spot)
    for trial in done:
        assert trial.outcome == backtest_of(frames, trial, range_=LATE, config=BacktestConfig())
        assert trial.outcome.total_return != 0


def test_a_range_shorter_than_a_candle_is_a_sentence(frames):
    """It says which interval, and what to do."""
    short = TimeRange(HISTORY.start + timedelta(minutes=5), HISTORY.start + timedelta(minutes=6))
    with pytest.raises(DataError, match=r"no 37m candle closes.*choose a longer range"):
        read_grounds(frames, "BTC", INTERVALS, [load_strategy("ma", {})], range_=short, rule=RULE)


def test_only_prices_are_kept(frames):
    """Memory is bounded by the minutes' prices: the arenas of all intervals share one copy of them."""
    grounds = read_grounds(frames, "BTC", INTERVALS, [load_strategy("ma", {})], range_=LATE, rule=RULE)
    first, second = (ground.arena(LATE, BacktestConfig()).market.minutes for ground in grounds)
    for name in ("open", "high", "low"):
        assert getattr(first, name).ctypes.data == getattr(second, name).ctypes.data
