"""The lake: what archive and restore of a year take, and its minutes read from there and from the database."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median

import polars as pl

from benchmarks.databases import another_database
from benchmarks.figure import Figure
from benchmarks.market import START, SYMBOL, random_walk
from btc_core.decide import Completeness
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.strategy import load_strategy
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.frames import Frames, open_frames
from btc_store.imports import import_rows
from btc_store.lake import Lake, open_lake
from btc_store.lake_minutes import read_minutes
from btc_store.warm_up import Minutes

YEAR = TimeRange(START, START + timedelta(days=365))
N_TIMES = 5
# What a process says of itself: to its parent, a child has used what the parent had when it was forked.
_MEASURED = """
import sys
from pathlib import Path
from btc_assets.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(Path("/proc/self/status").read_text())
"""


def measure(url: str, folder: Path) -> Iterator[Figure]:
    """Measure a year of minutes: into the lake, read, into another database."""
    with open_frames(url) as frames:
        import_rows(frames, SYMBOL, random_walk(1)[0].with_columns(symbol=pl.lit(SYMBOL)), "walk")
    place = folder / "parquet"
    yield from _command("archive", url, place)
    lake = open_lake(str(place), folder / "cache")
    yield Figure(name="lake of a year", value=round(_size(place) / 2**20, 1), unit="MiB")
    with open_frames(url) as frames:
        yield from _both("read a year of minutes", lake, lambda source: read_minutes(frames, SYMBOL, YEAR, source))
        yield from _both("backtest of a year, 37m", lake, lambda source: _backtest(frames, source))
    yield from _command("restore", another_database(url, "restored"), place)


def _both(name: str, lake: Lake, act: Callable[[Lake | None], object]) -> Iterator[Figure]:
    """Measure something with the lake, beside the same without it; in turns, because machines have moods."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(N_TIMES):
        for source in (None, lake):
            started = time.perf_counter()
            act(source)
            seconds[source is lake].append(time.perf_counter() - started)
    wet, dry = median(seconds[True]), median(seconds[False])
    beside = {"from the database, s": round(dry, 3), "ratio": round(dry / wet, 2)}
    yield Figure(name=f"{name}, from the lake", value=round(wet, 3), unit="s", beside=beside)


def _backtest(frames: Frames, lake: Lake | None) -> None:
    request = BacktestRequest(
        symbol=SYMBOL,
        interval=parse_interval("37m"),
        strategy=load_strategy("ma44", {}),
        range_=YEAR,
        config=BacktestConfig(capital=10_000_000),
    )
    rule = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))
    minutes = Minutes(frames, SYMBOL, YEAR.end, lake)
    run_backtest(frames, request, rule=rule, run_id="benchmark", is_forced=True, minutes=minutes)


def _command(name: str, url: str, place: Path) -> Iterator[Figure]:
    """Measure a command as a process: its time, and the most memory that it had resident."""
    environment = {**os.environ, "DATABASE_URL": url, "BTC_LAKE": str(place)}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, name, "--json"], env=environment, check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", done.stderr, re.MULTILINE)
    yield Figure(name=f"btc {name}, a year", value=round(seconds, 2), unit="s")
    yield Figure(name=f"btc {name}, a year, memory", value=round(int(peak) / 1024), unit="MB resident at most")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
