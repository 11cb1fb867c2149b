"""From a candle's last minute in the table to its decision in the table, through the live lane.

With one symbol, and with twenty whose candles close at the same minute. What a look costs with years of history is in
``benchmarks.flat``.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg2
import psycopg2.extensions
import psycopg2.extras

from benchmarks.figure import Figure
from benchmarks.market import SYMBOL, YEAR, minutes
from benchmarks.processes import ROOT, background, program, run
from btc_core.model.clock import ClockScale
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames

N_CANDLES = 100
# Fills the average of 44 days. A whole number of both 37m and days after the year's start.
HISTORY = timedelta(days=74)
INTERVAL = parse_interval("37m")
# A candle of market time in so many real seconds: long enough for the lane to be idle before the next one closes.
CANDLE_SECONDS = 2.0
TIMEOUT_SECONDS = 60
LOOK_SECONDS = 0.002
# Twenty symbols: fewer candles, a shorter history, and more time for each.
MANY = tuple(f"S{n:02}" for n in range(20))
N_CANDLES_OF_MANY, HISTORY_OF_MANY, CANDLE_SECONDS_OF_MANY = 20, timedelta(days=5), 8.0

_INSERT = """
INSERT INTO candles (symbol, interval, minutes, source, state, time, open, high, low, close, volume, trades)
VALUES (%(symbol)s, '1m', 1, 'ws', 'provisional', %(time)s, %(open)s, %(high)s, %(low)s, %(close)s, %(volume)s,
        %(trades)s)"""
_DECIDED = "SELECT DISTINCT symbol FROM decisions WHERE interval = %s AND backtest_id IS NULL AND time = %s"


def measure(url: str) -> Iterator[Figure]:
    """Measure the latency over some candles, after a history that fills the averages."""
    start = INTERVAL.floor(YEAR.start + HISTORY)
    _insert(url, [SYMBOL], TimeRange(YEAR.start, start), source="import:bench")
    derived = ("--symbol", SYMBOL, "--start", YEAR.start.isoformat(), "--end", start.isoformat())
    run(program("python"), "-m", "btc_assets.cli", "derive", *derived, env={"DATABASE_URL": url})
    one = _play(url, [SYMBOL], start, n_candles=N_CANDLES, candle_seconds=CANDLE_SECONDS)
    yield from _figures("row_to_decision", one, f"{N_CANDLES} candles of 37m")
    # Behind the first part, so that no lane has seen these minutes; within its reach, so that it derives them.
    start = INTERVAL.floor(YEAR.start + 2 * HISTORY)
    _insert(url, MANY, TimeRange(start - HISTORY_OF_MANY, start), source="import:bench")
    many = _play(url, MANY, start, n_candles=N_CANDLES_OF_MANY, candle_seconds=CANDLE_SECONDS_OF_MANY)
    yield from _figures("row_to_decision_of_20", many, f"{N_CANDLES_OF_MANY} candles of 37m of 20 symbols at once")


def _figures(name: str, latencies: Sequence[float], of: str) -> Iterator[Figure]:
    ordered = sorted(latencies)
    for part, value in (("p50", statistics.median(ordered)), ("p99", ordered[int(0.99 * len(ordered)) - 1])):
        yield Figure(
            name=f"{name}_{part}",
            value=round(1000 * value, 1),
            unit=f"ms, {of}, live lane, 15 intervals, 2 strategies",
            beside={"limit": "aim", "ms": 100, "ratio": round(10 * value, 2)},
        )


def _play(url: str, symbols: Sequence[str], start: datetime, *, n_candles: int, candle_seconds: float) -> list[float]:
    """Let a lane decide on candles of symbols; return the seconds that each decision took."""
    rate = 37 * 60 / candle_seconds
    # The lane gets some seconds to start, and to derive what is there, before the first candle closes.
    clock = ClockScale(start.timestamp(), time.time() + 8 + len(symbols), rate)
    told = {"BTC_CLOCK": f"{clock.sim},{clock.real},{clock.rate}", "BTC_SYMBOLS": ",".join(symbols)}
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with tempfile.TemporaryDirectory() as folder:
        env = {"DATABASE_URL": url, "BTC_CONFIG": str(ROOT / "config.yaml"), **told}
        with background([[program("python"), "-m", "live"]], env=env, log=Path(folder) / "live.log"):
            opens = [start + i * timedelta(minutes=37) for i in range(n_candles)]
            latencies = [each for time_ in opens for each in _one(url, connection, clock, symbols, time_)]
    connection.close()
    return latencies


def _one(
    url: str, connection: psycopg2.extensions.connection, clock: ClockScale, symbols: Sequence[str], time_: datetime
) -> list[float]:
    """Write a candle's minutes, the last one after its close; return the seconds until each decision is there."""
    close = time_ + timedelta(minutes=37)
    _insert(url, symbols, TimeRange(time_, close - MINUTE), source="ws")
    last = minutes(TimeRange(close - MINUTE, close)).row(0, named=True)
    # As the collector does, three seconds after the close; of market time, so that the lane's clock has passed it.
    due = clock.real + (close.timestamp() - clock.sim) / clock.rate
    time.sleep(max(0.0, due + 0.1 - time.time()))
    with connection.cursor() as cursor:
        # One statement each, as fast as they go: what a collector writes within a second.
        psycopg2.extras.execute_batch(cursor, _INSERT, [{**last, "symbol": symbol} for symbol in symbols])
        written, seconds = time.monotonic(), dict[str, float]()
        while len(seconds) < len(symbols):
            if time.monotonic() > written + TIMEOUT_SECONDS:
                raise RuntimeError(f"no decision on the candle of {time_} within {TIMEOUT_SECONDS} s")
            time.sleep(LOOK_SECONDS)
            cursor.execute(_DECIDED, (INTERVAL.label, time_))
            for (symbol,) in cursor.fetchall():
                if symbol in symbols:
                    seconds.setdefault(symbol, time.monotonic() - written)
    return list(seconds.values())


def _insert(url: str, symbols: Sequence[str], span: TimeRange, *, source: str) -> None:
    frame = minutes(span).with_columns(source=pl.lit(source), state=pl.lit("provisional"))
    with open_frames(url) as frames, frames.transaction():
        frames.put("incoming", frame.join(pl.DataFrame({"symbol": list(symbols)}), how="cross"))
        frames.run("upsert_minutes")
