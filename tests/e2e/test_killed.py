"""SIGKILL in the middle of the work, start again: the same tables as if nothing had happened."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from btc_core.model.timerange import MINUTE, to_ms
from btc_store.ports import free_port
from demo.market import Market
from tests.e2e.processes import ROOT, processes, scaled_clock, start_exchange

pytestmark = pytest.mark.e2e

SEED = 11
# What the demo market is asked for in these tests: a day in 2025, by its first minute.
START = datetime(2025, 3, 3, tzinfo=UTC)
RATE = 240.0
N_KILLS = 4


def _rows(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def _truth(time: datetime) -> tuple[float, float, float, float, float, int]:
    """Return what the demo market says of a minute."""
    return tuple(Market(seed=SEED, coins=["BTC"]).values("BTC", to_ms(time) // 60_000))


def test_a_collector_killed_in_mid_minute_loses_nothing(database_url: str, tmp_path: Path) -> None:
    """However often the collector dies, once it runs again every minute is there, once, with the market's values."""
    env = {
        "DATABASE_URL": database_url,
        "BTC_SYMBOLS": "BTC",
        "COLLECTOR_HTTP_PORT": str(free_port()),
        "BTC_CLOCK": scaled_clock(START.timestamp(), RATE),
    }
    newest = "SELECT max(time), count(*) FROM candles WHERE interval = '1m'"
    with processes(tmp_path, **env) as group:
        start_exchange(group, "--market", "--seed", str(SEED))
        for _ in range(N_KILLS):
            before = _rows(database_url, newest)[0][0]
            group.start("collector", "collector")
            group.wait_for("a new minute", lambda old=before: _rows(database_url, newest)[0][0] != old, seconds=60)
            group.stop("collector", signal.SIGKILL)
        group.start("collector", "collector")
        group.wait_for(
            "an unbroken series that has grown",
            lambda: _is_whole(database_url, after=START + 60 * MINUTE),
            seconds=90,
        )
        assert group.stop("collector") == 0
    stored = _rows(database_url, "SELECT time, open, high, low, close, volume, trades FROM candles ORDER BY time")
    assert {row[0]: row[1:] for row in stored} == {row[0]: _truth(row[0]) for row in stored}


def _is_whole(url: str, *, after: datetime) -> bool:
    """Return whether no minute is missing between the first and the last, and the last is late enough."""
    first, last, count = _rows(url, "SELECT min(time), max(time), count(*) FROM candles WHERE interval = '1m'")[0]
    return last is not None and last > after and count == (last - first) // MINUTE + 1


DERIVED = (
    "SELECT time, interval, open, high, low, close, volume, trades, minutes FROM candles ORDER BY interval, time",
    "SELECT time, interval, indicator_name, value FROM indicators ORDER BY interval, indicator_name, time",
    "SELECT time, interval, strategy, seq, signal, exposure, price, indicator_snapshot FROM decisions d "
    "WHERE revision = (SELECT max(revision) FROM decisions n WHERE (n.time, n.interval, n.strategy) = "
    "(d.time, d.interval, d.strategy)) ORDER BY interval, strategy, time, seq",
    "SELECT interval, kind, start_time, end_time FROM data_quality WHERE resolved_at IS NULL ORDER BY 1, 2, 3, 4",
)


def test_a_derive_run_killed_half_way_ends_in_the_same_tables(database_url: str, tmp_path: Path) -> None:
    """A run that dies leaves no half rows; the next one gives what an undisturbed one gives, and nothing twice."""
    file = tmp_path / "minutes.parquet"
    _write_minutes(file, n_days=40)
    environment = {**os.environ, "DATABASE_URL": database_url}
    btc = [sys.executable, "-m", "btc_assets.cli"]
    arguments = ["derive", "--symbol", "BTC", "--start", "2025-03-01", "--end", "2025-05-01"]
    subprocess.run([*btc, "import", str(file), "--symbol", "BTC"], cwd=ROOT, env=environment, check=True)
    with processes(tmp_path, DATABASE_URL=database_url) as group:
        group.start("derive", "btc_assets.cli", *arguments)
        half = "SELECT count(*) FROM candles WHERE interval = '37m'"
        group.wait_for("half of the work", lambda: _rows(database_url, half)[0][0] > 0, seconds=60)
        assert group.stop("derive", signal.SIGKILL) == -signal.SIGKILL
    subprocess.run([*btc, *arguments], cwd=ROOT, env=environment, check=True)
    after_kill = [_rows(database_url, sql) for sql in DERIVED]
    stamps = _rows(database_url, "SELECT max(ingested_at), count(*) FROM candles")
    subprocess.run([*btc, *arguments], cwd=ROOT, env=environment, check=True)
    assert _rows(database_url, "SELECT max(ingested_at), count(*) FROM candles") == stamps
    _forget_derived(database_url)
    subprocess.run([*btc, *arguments], cwd=ROOT, env=environment, check=True)
    assert [_rows(database_url, sql) for sql in DERIVED] == after_kill
    assert all(after_kill[:3])


def _write_minutes(file: Path, *, n_days: int) -> None:
    from benchmarks.market import minutes
    from btc_core.model.timerange import TimeRange

    span = TimeRange(START, START + n_days * 1440 * MINUTE)
    frame = minutes(span)
    # A gap of an hour and a half, so that findings are part of the tables.
    hole = (frame["time"] >= START + 700 * MINUTE) & (frame["time"] < START + 790 * MINUTE)
    frame.filter(~hole).write_parquet(file)


def _forget_derived(url: str) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM candles WHERE interval <> '1m'")
        cursor.execute("TRUNCATE indicators, decisions, data_quality CASCADE")
    connection.close()
