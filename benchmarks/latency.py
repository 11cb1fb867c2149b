"""From a candle's last minute in the table to its decision in the table, through Dagster's sensor and a run."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg2
import psycopg2.extensions

from benchmarks.figure import Figure
from benchmarks.market import SYMBOL, YEAR, minutes
from benchmarks.processes import ROOT, background, free_port, program
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames

N_CANDLES = 20
HISTORY = timedelta(days=4)
INTERVAL = parse_interval("37m")
TIMEOUT_SECONDS = 120
# How often the benchmark looks; far below what it measures.
LOOK_SECONDS = 0.02
# Dagster looks at its sensors every five seconds: no sensor can be faster than half of that in the median.
SENSOR_LOOP_SECONDS = 5.0


def measure(url: str) -> Iterator[Figure]:
    """Measure the latency over some candles, after a history that fills the averages."""
    port = free_port()
    env = {"DATABASE_URL": url, "DAGSTER_HOME": str(ROOT)}
    code = [program("dagster"), "api", "grpc", "-m", "btc_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
    daemon = [program("dagster-daemon"), "run", "--grpc-host", "127.0.0.1", "--grpc-port", str(port)]
    start = INTERVAL.floor(YEAR.start + HISTORY)
    with tempfile.TemporaryDirectory() as folder, background([code, daemon], env=env, log=Path(folder) / "dagster.log"):
        connection = psycopg2.connect(url)
        connection.autocommit = True
        _insert(url, TimeRange(YEAR.start, start))
        _wait_for_decision(connection, start - timedelta(minutes=37))
        latencies = sorted(_one(url, connection, start + i * timedelta(minutes=37)) for i in range(N_CANDLES))
        connection.close()
    for name, value in (("p50", statistics.median(latencies)), ("p95", latencies[int(0.95 * (N_CANDLES - 1))])):
        yield Figure(
            name=f"close_to_decision_{name}",
            value=round(value, 2),
            unit=f"s, {N_CANDLES} candles, sensor and run",
            beside={
                "limit": "Dagster's sensor loop",
                "seconds": SENSOR_LOOP_SECONDS,
                "ratio": round(value / SENSOR_LOOP_SECONDS, 2),
            },
        )


def _one(url: str, connection: psycopg2.extensions.connection, time_: datetime) -> float:
    """Write a candle's minutes; return the seconds until its decision is there."""
    _insert(url, TimeRange(time_, time_ + timedelta(minutes=37)))
    started = time.monotonic()
    _wait_for_decision(connection, time_)
    return time.monotonic() - started


def _insert(url: str, span: TimeRange) -> None:
    frame = minutes(span).with_columns(symbol=_text(SYMBOL), source=_text("ws"), state=_text("provisional"))
    with open_frames(url) as frames, frames.transaction():
        frames.put("incoming", frame)
        frames.run("upsert_minutes")


def _text(value: str) -> pl.Expr:
    return pl.lit(value)


def _wait_for_decision(connection: psycopg2.extensions.connection, time_: datetime) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT 1 FROM decisions WHERE symbol = %s AND interval = %s AND strategy = 'ma44' "
                "AND backtest_id IS NULL AND time = %s",
                (SYMBOL, INTERVAL.label, time_),
            )
            if cursor.fetchone():
                return
            time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"no decision on the candle of {time_} within {TIMEOUT_SECONDS} s")
