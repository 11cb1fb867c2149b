"""A trial, and many on threads: the same figures on any number of them, in order, and an end that can be asked for."""

import tracemalloc
from datetime import timedelta

import polars as pl
import pytest

from btc_core.decide import Completeness, decide
from btc_core.errors import DataError
from btc_core.lookahead import market_for
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.plugins import plugin_names
from btc_core.strategy import PACKAGE, NamedStrategy, Strategy, load_strategy
from btc_core.sweep_trial import Trial, daily_returns_of, exposure_of, prepare_arena, tried, try_all
from tests.derivation import NO_MINUTES
from tests.sweeps import SHORT, made_arena, trials_in

HOUR = parse_interval("1h")
RULE = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))


@pytest.fixture(scope="module")
def arena():
    """A week of hours."""
    return made_arena()


def test_only_complete_candles_of_the_range_are_decided_on(arena):
    """The day before is warm-up; the hour that misses its minutes is left out (law 4)."""
    assert arena.is_decided.to_list() == [i >= 24 and i != SHORT for i in range(7 * 24)]
    assert len(arena.market.close_time) == 6 * 24 - 1


def test_a_warm_up_within_the_range_is_flat(arena):
    """An average of 40 hours has no opinion until the 40th, 16 hours into the range, one of which is left out."""
    exposure = exposure_of(arena, load_strategy("ma", {"period": 40}))
    assert len(exposure) == 6 * 24 - 1
    assert not exposure[:14].any()
    assert exposure[14:].all()


@pytest.mark.parametrize("name", plugin_names(PACKAGE))
def test_a_trial_wants_what_a_backtest_decides(name):
    """The lean way of a sweep and the way of all others: the same exposure at every candle, gaps and all."""
    strategy = load_strategy(name, {})
    market = market_for(strategy, HOUR, seed=3, room=300)
    short = pl.int_range(pl.len()) % 17 == 5
    candles = market.candles.with_columns(minutes=pl.when(short).then(pl.lit(30, pl.Int32)).otherwise("minutes"))
    since = candles["time"][-250]
    range_ = TimeRange(since, HOUR.close_of(candles["time"][-1]))
    shared = {"others": market.others, "no_trade": NO_MINUTES, "rule": RULE, "since": since}
    made = prepare_arena(
        candles, candles, symbol="BTC", interval=HOUR, range_=range_, config=BacktestConfig(), **shared
    )
    late = range_.end + 2 * RULE.wait
    positions, _, skipped = decide(candles, strategy, HOUR, before=0.0, now=late, **shared)
    assert exposure_of(made, strategy).tolist() == positions["exposure"].to_list()
    assert skipped.height > 10
    assert positions["exposure"].n_unique() > 1 or name in {"buy_and_hold", "dca", "dca_ma"}


def test_threads_change_nothing(arena):
    """The same trials in the same order with the same bits, on one thread and on three."""
    trials = trials_in(arena, range(2, 40))
    alone = [tried(trial) for trial in trials]
    for n_threads in (1, 3):
        done = list(try_all(trials, n_threads=n_threads))
        assert [trial.place for trial in done] == [trial.place for trial in trials]
        assert [trial.outcome for trial in done] == [trial.outcome for trial in alone]
    assert len({trial.outcome.final_equity for trial in alone}) > 20


def test_trials_are_taken_as_they_are_needed(arena):
    """Memory does not grow with the sweep, and whoever stops listening stops it."""
    taken = []

    def endless():
        for i in range(2, 900):
            taken.append(i)
            yield Trial(arena, (i,), load_strategy("ma", {"period": i}))

    done = try_all(endless(), n_threads=2)
    assert next(done).place == (2,)
    assert next(done).place == (3,)
    done.close()
    assert len(taken) < 20


def test_a_finished_trial_keeps_little(arena):
    """Its figures and its place, no curve and no fills: a sweep of 100,000 fits into memory."""
    few, many = trials_in(arena, range(2, 20)), trials_in(arena, range(20, 220))
    kept = list(try_all(few, n_threads=2))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept += try_all(many, n_threads=2)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 218
    assert (after - before) / len(many) < 2_000


def test_the_days_of_a_trial_can_be_asked_for(arena):
    """It is run again: one return for each day of the range."""
    assert len(daily_returns_of(trials_in(arena, [5])[0])) == 6


def test_an_exposure_beyond_one_is_refused(arena):
    """As in a backtest, with the value found."""
    rule = Strategy(
        description="Wants too much.",
        parameters={},
        indicators=lambda _: [],
        wanted=lambda _: pl.lit(1.5),
        confidence=lambda _: pl.lit(1.0),
    )
    with pytest.raises(DataError, match=r"expected an exposure in \[-1, 1\], found 1.5"):
        list(try_all([Trial(arena, (), NamedStrategy("greedy", rule, {}))], n_threads=2))
