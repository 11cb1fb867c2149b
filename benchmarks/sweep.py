"""How long a sweep takes: 999 windows of a moving average, eight years of minutes, 37m candles, two threads.

Every trial is a whole one: decisions by the code that decides live, fills, funding and liquidations on minutes, ten
figures. The market is made from a seed and in memory. `python -m benchmarks peers` has another library beside it.
"""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import polars as pl

from benchmarks.figure import Figure, peak_memory_mb
from benchmarks.market import START, YEARS, random_walk
from btc_core.across import NO_OTHERS
from btc_core.decide import Completeness
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.resample import resample
from btc_core.simulator.simulate import follow
from btc_core.strategy import load_strategy
from btc_core.sweep import Grid, axes_of
from btc_core.sweep_trial import Arena, Trial, exposure_of, prepare_arena, tried, try_all
from btc_core.sweep_verdict import judge, ranking

N_THREADS = 2
N_ALONE = 50
RULE = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))


def measure() -> Iterator[Figure]:
    """Measure preparation, the parts of one trial, the whole sweep, and the judgement of its best."""
    made = made_arena()
    started = time.perf_counter()
    arena = made()
    del made
    yield Figure(name="sweep: candles and market, once", value=round(time.perf_counter() - started, 2), unit="s")
    rule = load_strategy("ma", {}).rule
    grid = Grid(axes_of("strategy ma", rule.parameters, {"period": "2:1000:1"}))
    places = grid.places(draw=None, seed=0)
    trials = [Trial(arena, place, load_strategy("ma", grid.parameters(place))) for place in places]
    tried(trials[0])
    yield from parts(trials[:: len(trials) // N_ALONE])
    started, used = time.perf_counter(), time.process_time()
    done = list(try_all(trials, n_threads=N_THREADS))
    seconds, used = time.perf_counter() - started, time.process_time() - used
    yield Figure(
        name=f"sweep of {len(done)} on {N_THREADS} threads",
        value=round(seconds, 2),
        unit="s",
        beside={
            # What a busy machine does not change: half of it is the least that two idle cores take.
            "processor_seconds": round(used, 2),
            # Of the process from its start: the made-up market is most of it.
            "memory_mb": round(peak_memory_mb(), 1),
        },
    )
    started = time.perf_counter()
    judge(grid, done, ranking(done, "sharpe")[0], "sharpe")
    yield Figure(name="sweep: judge the best", value=round((time.perf_counter() - started) * 1e3, 1), unit="ms")


def parts(trials: list[Trial]) -> Iterator[Figure]:
    """Measure what a trial is made of, one after the other; the rest of it are the figures."""
    arena, started = trials[0].arena, time.process_time()
    exposures = [exposure_of(arena, trial.strategy) for trial in trials]
    decisions = time.process_time() - started
    started = time.process_time()
    for exposure in exposures:
        follow(arena.market, exposure, arena.config)
    simulation = time.process_time() - started
    for name, seconds in (("decisions", decisions), ("simulation", simulation)):
        value = round(seconds / len(trials) * 1e3, 2)
        yield Figure(name=f"sweep: {name} of a trial", value=value, unit="processor ms")


def made_arena() -> Callable[[], Arena]:
    """Return what makes the arena of a made-up market."""
    minutes, _funding = random_walk(YEARS)
    range_ = TimeRange(START, START + minutes.height * MINUTE)
    interval = parse_interval("37m")
    rows = minutes.with_columns(minutes=pl.lit(1, pl.Int32))

    def made() -> Arena:
        return prepare_arena(
            resample(rows, interval),
            minutes,
            symbol="BTC",
            interval=interval,
            others=NO_OTHERS,
            no_trade=pl.Series("time", dtype=pl.Datetime("us", "UTC")),
            rule=RULE,
            since=interval.floor(range_.start),
            range_=range_,
            config=BacktestConfig(),
        )

    return made


def main() -> int:
    """Print each figure as a JSON line."""
    for figure in measure():
        sys.stdout.write(figure.line() + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
