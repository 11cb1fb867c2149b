"""From a candle's last minute in the table to its decision in the table, through the live lane."""

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
from benchmarks.processes import background, program, run
from btc_core.model.clock import ClockScale
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames

N_CANDLES = 100
# Fills the average of 44 days. A whole number of both 37m and days after the year's start.
HISTORY = timedelta(days=74)
INTERVAL = parse_interval("37m")
# A candle of market time in so many real seconds: long enough for the lane to be idle before the next one closes.
CANDLE_SECONDS = 1.5
RATE = 37 * 60 / CANDLE_SECONDS
TIMEOUT_SECONDS = 60
LOOK_SECONDS = 0.001

_INSERT = """
INSERT INTO candles (symbol, interval, minutes, source, state, time, open, high, low, close, volume, trades)
VALUES (%(symbol)s, '1m', 1, 'ws', 'provisional', %(time)s, %(open)s, %(high)s, %(low)s, %(close)s, %(volume)s,
        %(trades)s)"""
_DECIDED = """
SELECT count(*) FROM decisions WHERE symbol = %s AND interval = %s AND backtest_id IS NULL AND time = %s"""


def measure(url: str) -> Iterator[Figure]:
    """Measure the latency over some candles, after a history that fills the averages."""
    start = INTERVAL.floor(YEAR.start + HISTORY)
    _insert(url, TimeRange(YEAR.start, start), source="import:bench")
    derived = ("derive", "--symbol", SYMBOL, "--start", YEAR.start.isoformat(), "--end", start.isoformat())
    run(program("btc"), *derived, env={"DATABASE_URL": url})
    # The lane gets some seconds to start before the first candle closes.
    clock = ClockScale(start.timestamp(), time.time() + 8, RATE)
    env = {"DATABASE_URL": url, "BTC_CLOCK": f"{clock.sim},{clock.real},{clock.rate}"}
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "live.log"
        with background([[program("python"), "-m", "live"]], env=env, log=log):
            opens = [start + i * timedelta(minutes=37) for i in range(N_CANDLES)]
            latencies = sorted(_one(url, connection, clock, time_) for time_ in opens)
    connection.close()
    for name, value in (("p50", statistics.median(latencies)), ("p99", latencies[int(0.99 * N_CANDLES) - 1])):
        yield Figure(
            name=f"row_to_decision_{name}",
            value=round(1000 * value, 1),
            unit=f"ms, {N_CANDLES} candles of 37m, live lane, 15 intervals, 2 strategies",
            beside={"limit": "aim", "ms": 100, "ratio": round(10 * value, 2)},
        )


def _one(url: str, connection: psycopg2.extensions.connection, clock: ClockScale, time_: datetime) -> float:
    """Write a candle's minutes, the last one after its close; return the seconds until its decision is there."""
    close = time_ + timedelta(minutes=37)
    _insert(url, TimeRange(time_, close - MINUTE), source="ws")
    last = minutes(TimeRange(close - MINUTE, close)).row(0, named=True)
    # As the collector does, three seconds after the close; of market time, so that the lane's clock has passed it.
    due = clock.real + (close.timestamp() - clock.sim) / clock.rate
    time.sleep(max(0.0, due + 0.1 - time.time()))
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {**last, "symbol": SYMBOL})
        written = time.monotonic()
        while time.monotonic() < written + TIMEOUT_SECONDS:
            cursor.execute(_DECIDED, (SYMBOL, INTERVAL.label, time_))
            if cursor.fetchone() != (0,):
                return time.monotonic() - written
            time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"no decision on the candle of {time_} within {TIMEOUT_SECONDS} s")


def _insert(url: str, span: TimeRange, *, source: str) -> None:
    frame = minutes(span).with_columns(symbol=pl.lit(SYMBOL), source=pl.lit(source), state=pl.lit("provisional"))
    with open_frames(url) as frames, frames.transaction():
        frames.put("incoming", frame)
        frames.run("upsert_minutes")
