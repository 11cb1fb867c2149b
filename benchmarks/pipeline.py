"""Import a year, derive it, run a backtest over it: whole processes, as a user starts them."""

import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from benchmarks.figure import Figure
from benchmarks.market import SYMBOL, YEAR
from benchmarks.processes import program, run
from btc_store.frames import open_frames

_RANGE = ("--symbol", SYMBOL, "--start", YEAR.start.isoformat(), "--end", YEAR.end.isoformat())


def measure(url: str, file: Path) -> Iterator[Figure]:
    """Measure import, derivation and backtest of a year of minutes on an empty database."""
    env = {"DATABASE_URL": url}
    n_rows = pl.scan_parquet(file).select(pl.len()).collect().item()
    copied = _copy_seconds(url, file)
    imported = run(program("btc"), "import", str(file), "--symbol", SYMBOL, "--source", "bench", env=env)
    yield Figure(
        name="import_rows_per_second",
        value=round(n_rows / imported.seconds),
        unit="rows/s, whole process, checks and upsert included",
        beside={
            "limit": "COPY into a table without an index",
            "rows_per_second": round(n_rows / copied),
            "ratio": round(copied / imported.seconds, 3),
        },
    )
    yield Figure(name="import_peak_memory", value=round(imported.peak_memory_mb), unit="MB")
    derived = run(program("btc"), "derive", *_RANGE, env=env)
    bare = run(program("python"), "-m", "benchmarks.bare_resample", str(file), env=env)
    yield Figure(
        name="derive_year_seconds",
        value=round(derived.seconds, 2),
        unit="s, whole process: 15 intervals, 2 averages, 6 streams of decisions, checks, through Dagster",
        beside={
            "limit": "Polars alone, resampling only, nothing stored",
            "seconds": round(bare.seconds, 2),
            "ratio": round(derived.seconds / bare.seconds, 2),
        },
    )
    yield Figure(name="derive_year_peak_memory", value=round(derived.peak_memory_mb), unit="MB")
    again = run(program("btc"), "derive", *_RANGE, env=env)
    yield Figure(
        name="derive_year_again_seconds",
        value=round(again.seconds, 2),
        unit="s, nothing to change",
        beside={"peer": "the first time", "ratio": round(again.seconds / derived.seconds, 2)},
    )
    simulated = run(program("btc"), "backtest", *_RANGE, "--intervals", "37m", "--strategy", "ma44", "--json", env=env)
    yield Figure(
        name="backtest_year_seconds",
        value=round(simulated.seconds, 2),
        unit="s, whole process, ma44 on 37m, database to stored result",
        beside={"limit": "Polars alone, resampling only", "ratio": round(simulated.seconds / bare.seconds, 2)},
    )


def _copy_seconds(url: str, file: Path) -> float:
    frame = pl.read_parquet(file)
    with open_frames(url) as frames, frames.transaction():
        started = time.monotonic()
        frames.put("limit", frame)
        return time.monotonic() - started
