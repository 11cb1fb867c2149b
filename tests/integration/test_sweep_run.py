"""A sweep from what was asked to what was found: kept, gone on with, and walked forward without a look ahead."""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest

from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.outcome import Outcome
from btc_core.strategy import load_strategy
from btc_core.walk_forward import parse_walk
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.frames import open_frames
from btc_store.sweep_run import SweepRequest, plan_sweep, prepare_sweep, run_sweep
from tests.derivation import RULE, made_minutes, store_minutes

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 23, tzinfo=UTC))
REQUEST = SweepRequest(
    strategy="ma",
    symbols=("BTC",),
    intervals=("37m", "1h"),
    parameters={"period": "5:40:5"},
    start=HISTORY.start + timedelta(days=3),
    end=HISTORY.end,
    config=BacktestConfig(),
)
WALK = msgspec.structs.replace(REQUEST, walk=parse_walk("7d/3d", is_anchored=False))


@pytest.fixture
def frames(database_url):
    """A database with twenty days of minutes."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(HISTORY, random.Random(5), n_gaps=8))
        yield opened


def swept(frames, request=REQUEST, *, after=None):
    """Run a sweep; Ctrl-C comes after so many trials. Returns what was found, and how many were tried now."""
    n_tried = 0

    def advance(n):
        nonlocal n_tried
        n_tried += n
        if after is not None and n_tried >= after:
            raise KeyboardInterrupt

    prepared = prepare_sweep(frames, plan_sweep(request), rule=RULE)
    found = run_sweep(frames, prepared, sort="total_return", n_threads=2, advance=advance)
    return found, prepared


def test_what_is_finished_is_kept_and_the_same_sweep_goes_on(frames):
    """After Ctrl-C the same question tries the rest alone, and says the same as in one go."""
    first, _ = swept(frames, after=5)
    assert not first.is_whole
    assert first.n_finished >= 5
    second, prepared = swept(frames)
    assert len(prepared.known) >= 5
    assert second.is_whole
    third, again = swept(frames)
    assert len(again.known) == again.n_trials == 16
    fresh, _ = swept(frames, msgspec.structs.replace(REQUEST, seed=1))
    for other in (third, fresh):
        assert [trial.outcome for trial in other.done] == [trial.outcome for trial in second.done]
        assert other.order == second.order


def test_other_data_are_another_sweep(frames):
    """What was tried on them says nothing of these."""
    _, before = swept(frames)
    late = made_minutes(TimeRange(HISTORY.end, HISTORY.end + timedelta(hours=1)), random.Random(1), n_gaps=0)
    store_minutes(frames, "BTC", late.with_columns(pl.col("time") - timedelta(hours=1)))
    prepared = prepare_sweep(frames, plan_sweep(REQUEST), rule=RULE)
    assert prepared.fingerprint != before.fingerprint
    assert prepared.known == {}


def test_each_window_s_choice_is_backtested_over_what_follows(frames):
    """Its figures are those of a backtest over the test alone, with the money that the one before left."""
    found, prepared = swept(frames, WALK)
    steps = found.walked.steps
    assert len(steps) == len(prepared.windows) == 4
    capital = REQUEST.config.capital
    for step, window in zip(steps, prepared.windows, strict=True):
        request = BacktestRequest(
            symbol="BTC",
            interval=parse_interval(step.best.interval),
            strategy=load_strategy("ma", step.best.parameters),
            range_=window.test,
            config=BacktestConfig(capital=capital),
        )
        results = run_backtest(frames, request, rule=RULE, run_id="test").simulation.results
        assert step.test == Outcome(**{name: getattr(results, name) for name in Outcome.__struct_fields__})
        capital = step.test.final_equity
    assert found.walked.out_of_sample.final_equity == capital
    assert found.curve[1][0] == REQUEST.config.capital


def test_a_choice_knows_nothing_of_its_test(frames):
    """Other minutes after a window's training, the same choice in it."""
    found, prepared = swept(frames, WALK)
    cut = prepared.windows[1].test.start
    other = made_minutes(HISTORY, random.Random(77), n_gaps=0).filter(pl.col("time") >= cut)
    store_minutes(frames, "BTC", other)
    again, _ = swept(frames, WALK)
    for before, after in zip(found.walked.steps[:2], again.walked.steps[:2], strict=True):
        assert (before.best.parameters, before.best.outcome) == (after.best.parameters, after.best.outcome)
    assert found.walked.steps[1].test != again.walked.steps[1].test


def test_a_range_without_minutes_is_a_sentence(frames):
    """Nothing is written down of it."""
    empty = msgspec.structs.replace(REQUEST, start=HISTORY.end, end=HISTORY.end + timedelta(days=1))
    with pytest.raises(DataError, match="no 1m candle of BTC is stored"):
        prepare_sweep(frames, plan_sweep(empty), rule=RULE)
