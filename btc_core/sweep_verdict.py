"""How trials are ranked, and how far the best of them is to be trusted: deflated Sharpe ratio and neighbours."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from btc_core.confidence import deflated_sharpe
from btc_core.metrics import DAYS_PER_YEAR
from btc_core.parameters import Number
from btc_core.simulator.outcome import Outcome
from btc_core.sweep import SORTS, Grid, middle, ranked
from btc_core.sweep_trial import Trial, daily_returns_of


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The best trial, and what speaks for it.

    Attributes:
        symbol, interval, parameters: Which one it is.
        outcome: What it earned.
        deflated_sharpe: How probable it is that its Sharpe ratio is more than the luck of the best of so many trials;
            None where it is undefined.
        n_neighbours: How many trials are at most a step away in each range, and the same in everything else.
        neighbours_median, neighbours_worst: Of their figures; None without one.
    """

    symbol: str
    interval: str
    parameters: dict[str, Number]
    outcome: Outcome
    deflated_sharpe: float | None
    n_neighbours: int
    neighbours_median: float | None
    neighbours_worst: float | None


def figure_of(trial: Trial, sort: str) -> Number | None:
    """Return a trial's figure of that name; None where it is undefined."""
    figure: Number | None = getattr(trial.outcome, sort)
    return figure


def ranking(done: Sequence[Trial], sort: str) -> list[int]:
    """Return the numbers of finished trials, best first by a figure of ``SORTS``."""
    return ranked(((figure_of(trial, sort), i) for i, trial in enumerate(done)), is_more_better=SORTS[sort])


def neighbours_of(grid: Grid, done: Sequence[Trial], best: int) -> list[Trial]:
    """Return the finished trials at most one step away from one in each range, and the same in everything else."""
    trial = done[best]
    return [other for other in done if other.arena is trial.arena and grid.are_neighbours(other.place, trial.place)]


def judge(grid: Grid, done: Sequence[Trial], best: int, sort: str) -> Verdict:
    """Return what speaks for the best trial.

    Args:
        grid: Where the trials have their places.
        done: All that are finished, with their outcomes.
        best: The number of the best.
        sort: The figure by which it is.
    """
    trial = done[best]
    beside = [figure_of(other, sort) for other in neighbours_of(grid, done, best)]
    assert trial.outcome is not None, "a trial is judged when it is finished"
    return Verdict(
        symbol=trial.arena.symbol,
        interval=trial.arena.interval.label,
        parameters=dict(trial.strategy.parameters),
        outcome=trial.outcome,
        deflated_sharpe=deflated_sharpe(daily_returns_of(trial), _daily_sharpes(done)),
        n_neighbours=len(beside),
        neighbours_median=middle(beside),
        neighbours_worst=_worst(beside, is_more_better=SORTS[sort]),
    )


def _worst(figures: Sequence[Number | None], *, is_more_better: bool) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return float(min(known) if is_more_better else max(known)) if known else None


def _daily_sharpes(done: Sequence[Trial]) -> np.ndarray:
    """Return the Sharpe ratios per day that are defined."""
    known = [figure for trial in done if (figure := figure_of(trial, "sharpe")) is not None]
    return np.array(known, np.float64) / math.sqrt(DAYS_PER_YEAR)
