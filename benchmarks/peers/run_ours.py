"""Our part: `python -m benchmarks.peers.run_ours CASE FILE`, by btc_core alone; prints a JSON line.

Cases: ``whole`` from a Parquet file of minutes to figures, as `btc backtest` without a database; ``simulation`` alone,
with funding and fills on minutes; ``sweep`` of many windows.
"""

import atexit
import gc
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import msgspec
import polars as pl

from btc_core.across import NO_OTHERS
from btc_core.decide import Completeness, decide
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.resample import resample
from btc_core.simulator.simulate import follow, get_ready, simulate
from btc_core.strategy import load_strategy
from btc_core.sweep import Grid, axes_of
from btc_core.sweep_trial import Arena, Trial, exposure_of, prepare_arena, tried, try_all

PRICES = ("time", "open", "high", "low", "close")
COLUMNS = (*PRICES, "volume", "trades")
N_TIMES = 7
N_THREADS = 2
SYMBOL, INTERVAL = "BTC", parse_interval("37m")
# As the peers: costs at which an account lives to the end of a random walk.
RULES = BacktestConfig(capital=10_000_000, taker_bps=0.5)
COMPLETENESS = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))


def read_minutes(file: str) -> tuple[pl.DataFrame, TimeRange]:
    """Return the minutes of a file, and what they cover."""
    # Column by column, each in one piece: the arrays of the market are views of them, and no column is there twice.
    columns = (pl.read_parquet(file, columns=[name]).to_series().rechunk() for name in COLUMNS)
    minutes = pl.DataFrame(columns).with_columns(minutes=pl.lit(1, pl.Int32))
    first, last = minutes["time"][0], minutes["time"][-1]
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return minutes, TimeRange(first, last + MINUTE)


def whole(file: str) -> dict[str, object]:
    """Return the figures of one backtest."""
    # As a backtest does: what is compiled is loaded while the minutes are read.
    loading = Thread(target=get_ready)
    loading.start()
    minutes, range_ = read_minutes(file)
    positions, _, _ = decide(
        resample(minutes, INTERVAL),
        load_strategy("ma44", {}),
        INTERVAL,
        no_trade=minutes["time"].clear(),
        rule=COMPLETENESS,
        since=INTERVAL.floor(range_.start),
        before=0.0,
        now=range_.end + timedelta(days=1),
    )
    found = simulate(positions, minutes, RULES, range_=range_, interval=INTERVAL).results
    return msgspec.to_builtins(found)


def simulation(file: str) -> dict[str, object]:
    """Return how long the account alone takes, again and again; the first time, which loads the kernel, is left out."""
    arena = arena_of(file)
    exposure, seconds = exposure_of(arena, load_strategy("ma44", {})), []
    for _ in range(N_TIMES + 1):
        started = time.perf_counter()
        follow(arena.market, exposure, RULES)
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds[1:]}


def sweep(file: str) -> dict[str, object]:
    """Return how long all windows take, with ten figures of each; the market is prepared before, as a sweep does."""
    arena = arena_of(file)
    grid = Grid(axes_of("strategy ma", load_strategy("ma", {}).rule.parameters, {"period": "2:1000:1"}))
    places = grid.places(draw=None, seed=0)
    trials = [Trial(arena, place, load_strategy("ma", grid.parameters(place))) for place in places]
    tried(trials[0])
    started = time.perf_counter()
    returns = [trial.outcome.total_return for trial in try_all(trials, n_threads=N_THREADS) if trial.outcome]
    return {"seconds": [time.perf_counter() - started], "best": max(returns), "n": len(returns)}


def arena_of(file: str) -> Arena:
    """Return the market of a file as 37m decisions meet it."""
    minutes, range_ = read_minutes(file)
    candles = resample(minutes, INTERVAL)
    # As a sweep does: from here on only prices are kept.
    minutes = minutes.select(PRICES)
    return prepare_arena(
        candles,
        minutes,
        symbol=SYMBOL,
        interval=INTERVAL,
        others=NO_OTHERS,
        no_trade=minutes["time"].clear(),
        rule=COMPLETENESS,
        since=INTERVAL.floor(range_.start),
        range_=range_,
        config=RULES,
    )


def peak_memory_mb() -> float:
    """Return this program's own peak: what a process tells of itself on exit includes who started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    # As `btc` does.
    atexit.register(gc.freeze)
    cases = {"whole": whole, "simulation": simulation, "sweep": sweep}
    said = cases[sys.argv[1]](sys.argv[2])
    sys.stdout.write(msgspec.json.encode({**said, "memory_mb": peak_memory_mb()}).decode() + "\n")
