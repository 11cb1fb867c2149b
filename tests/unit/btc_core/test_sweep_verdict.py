"""Ranks and judgements over trials whose outcomes are made up; the arena behind them is a real one."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest

from btc_core.confidence import deflated_sharpe
from btc_core.model.backtest import BacktestConfig
from btc_core.sweep import Axis, Grid
from btc_core.sweep_trial import Trial, daily_returns_of, tried
from btc_core.sweep_verdict import figure_of, judge, ranking
from tests.sweeps import made_arena, trials_in

GRID = Grid([Axis("period", (5, 6, 7, 8), is_ordered=True)])


@pytest.fixture(scope="module")
def arena():
    """A week of hours."""
    return made_arena()


@pytest.fixture(scope="module")
def done(arena):
    """Four windows beside each other, tried, whose Sharpe ratios are set: 1, 4, none, 2."""
    real = [tried(trial) for trial in trials_in(arena, (5, 6, 7, 8))]
    ratios = (1.0, 4.0, None, 2.0)
    return [
        Trial(arena, trial.place, trial.strategy, msgspec.structs.replace(trial.outcome, sharpe=ratio))
        for trial, ratio in zip(real, ratios, strict=True)
    ]


def test_the_best_by_a_figure_comes_first(done):
    """Undefined ones come last; a smaller drawdown is better."""
    assert ranking(done, "sharpe") == [1, 3, 0, 2]
    drawdowns = [figure_of(done[i], "max_drawdown") for i in ranking(done, "max_drawdown")]
    assert drawdowns == sorted(drawdowns)


def test_the_best_is_judged_by_all_that_was_tried(done):
    """Its real days against the spread of the three defined ratios, per day; its neighbours are 5 and 7."""
    verdict = judge(GRID, done, 1, "sharpe")
    assert (verdict.symbol, verdict.interval, verdict.parameters["period"]) == ("BTC", "1h", 6)
    assert (verdict.n_neighbours, verdict.neighbours_median, verdict.neighbours_worst) == (2, 1.0, 1.0)
    falls = [figure_of(done[i], "max_drawdown") for i in (0, 2)]
    assert judge(GRID, done, 1, "max_drawdown").neighbours_worst == max(falls) > min(falls)
    ratios = np.array([1.0, 4.0, 2.0]) / math.sqrt(365)
    assert 0 < verdict.deflated_sharpe < 1
    assert verdict.deflated_sharpe == deflated_sharpe(daily_returns_of(done[1]), ratios)


def test_a_trial_alone_has_no_neighbours(done):
    """Their median is undefined; one trial is no selection, so chance has no part in it."""
    verdict = judge(GRID, done[3:], 0, "sharpe")
    assert (verdict.n_neighbours, verdict.neighbours_median, verdict.neighbours_worst) == (0, None, None)
    assert verdict.deflated_sharpe == deflated_sharpe(daily_returns_of(done[3]), np.zeros(1))


def test_neighbours_are_in_the_same_market(done, arena):
    """The same window of another arena is none."""
    elsewhere = dataclasses.replace(arena, config=BacktestConfig(capital=1))
    others = [Trial(elsewhere, trial.place, trial.strategy, trial.outcome) for trial in done]
    assert judge(GRID, [done[1], *others], 0, "sharpe").n_neighbours == 0
