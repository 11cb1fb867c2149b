"""Backfills as one run each: how much memory eight years take, and how long 120 partitions with nothing in them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks.figure import Figure
from benchmarks.market import SYMBOL, YEAR
from benchmarks.processes import Spent, program, run
from btc_core.model.timerange import TimeRange
from btc_store.frames import Frames, open_frames

N_YEARS = 8
# The first month of config.yaml's history, and so many months from there on.
START = datetime(2017, 1, 1, tzinfo=UTC)
N_PARTITIONS = 120
LIMIT_MB = 1_000
LIMIT_SECONDS = 60


def measure(url: str, file: Path) -> Iterator[Figure]:
    """Measure on an empty database: first the months without minutes, then eight times the year of a file."""
    months = TimeRange(START, datetime(START.year + N_PARTITIONS // 12, 1, 1, tzinfo=UTC))
    bare = _derive(url, months)
    yield Figure(
        name="backfill_120_partitions_seconds",
        value=round(bare.seconds, 1),
        unit=f"s, whole process: one run over {N_PARTITIONS} months without minutes, every asset and check of the job",
        beside={"limit": LIMIT_SECONDS, "peak_memory_mb": round(bare.peak_memory_mb)},
    )
    years = _store_years(url, pl.read_parquet(file))
    filled = _derive(url, years)
    yield Figure(
        name="backfill_8_years_peak_memory",
        value=round(filled.peak_memory_mb),
        unit="MB, whole process: one run over 96 months, 4.2 million minutes",
        beside={"limit": LIMIT_MB, "seconds": round(filled.seconds, 1), "cpu_seconds": round(filled.cpu_seconds, 1)},
    )


def _derive(url: str, span: TimeRange) -> Spent:
    """Derive a range as a user does, in one run."""
    range_ = ("--symbol", SYMBOL, "--start", span.start.isoformat(), "--end", span.end.isoformat())
    return run(program("python"), "-m", "btc_assets.cli", "derive", *range_, env={"DATABASE_URL": url})


def _store_years(url: str, year: pl.DataFrame) -> TimeRange:
    """Store a year of minutes so many times, one after the other; returns the range that they fill."""
    end = START
    with open_frames(url) as frames:
        for _ in range(N_YEARS):
            _store(frames, year.with_columns(pl.col("time") + (end - YEAR.start)))
            end += timedelta(days=(YEAR.end - YEAR.start).days)
    return TimeRange(START, end)


def _store(frames: Frames, minutes: pl.DataFrame) -> None:
    incoming = minutes.with_columns(
        symbol=pl.lit(SYMBOL), source=pl.lit("import:bench"), state=pl.lit("confirmed"), minutes=1
    )
    with frames.transaction():
        frames.put("incoming", incoming)
        frames.run("upsert_minutes")
