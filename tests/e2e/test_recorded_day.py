"""Recorded reality: real frames with their real timing through the real collector into a real database."""

import csv
import gzip
import os
import signal
from datetime import datetime
from pathlib import Path

import psycopg2
import pytest

from btc_core.model.timerange import from_ms
from btc_store.ports import free_port
from tests.e2e.processes import processes, scaled_clock, start_exchange

pytestmark = pytest.mark.e2e

RECORDING = "hyperliquid/ws_candle_1m_ETH_20250214_h00-16.log.gz"
EXPECTED = "hyperliquid/derived_final_1m_ETH_20250214_h00-16.csv.gz"
# Sixteen hours; 60 is the rate at which a person checks it (16 minutes), 960 passes it in one.
RATE = float(os.environ.get("BTC_TEST_RATE", "960"))
# A moment before the first recorded frame, Unix seconds.
BEFORE_FIRST_FRAME = 1_739_491_195.0

Row = tuple[float, float, float, float, float, int]


def _expected(shared: Path) -> dict[datetime, Row]:
    """Return the final values of every whole minute of the recording."""
    with gzip.open(shared / EXPECTED, "rt", encoding="utf-8") as file:
        return {
            from_ms(int(row["t_ms"])): (*(float(row[key]) for key in "ohlcv"), int(row["n"]))
            for row in csv.DictReader(file)
            if row["whole"] == "yes"
        }


def _stored(url: str) -> dict[datetime, Row]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT time, open, high, low, close, volume, trades FROM candles "
                "WHERE symbol = 'ETH' AND interval = '1m'"
            )
            return {row[0]: row[1:] for row in cursor.fetchall()}
    finally:
        connection.close()


def test_the_recorded_day_is_stored_without_a_missing_or_wrong_minute(
    shared: Path, database_url: str, tmp_path: Path
) -> None:
    """Every whole minute of the recording is stored with its final values, though 14 % end after the minute does."""
    expected = _expected(shared)
    env = {
        "DATABASE_URL": database_url,
        "BTC_SYMBOLS": "ETH",
        "COLLECTOR_HTTP_PORT": str(free_port()),
        "BTC_CLOCK": scaled_clock(BEFORE_FIRST_FRAME, RATE),
    }
    with processes(tmp_path, **env) as group:
        start_exchange(group, "--frames", str(shared / RECORDING))
        group.start("collector", "collector")
        market_hours = 16.1
        group.wait_for(
            "the last minute", lambda: max(expected) in _stored(database_url), seconds=60 + market_hours * 3600 / RATE
        )
        assert group.stop("collector", signal.SIGTERM) == 0
    stored = _stored(database_url)
    missing = [time for time in expected if time not in stored]
    wrong = [time for time in expected if time in stored and stored[time] != expected[time]]
    assert (len(expected), missing, wrong) == (960, [], [])
