"""The real year 2021, through the command line, as a user does it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg2
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames, read_candles
from tests.e2e.processes import ROOT

pytestmark = pytest.mark.e2e

YEAR_FILE = "data/candles/binance_btcusdt_1m_2021.parquet"
YEAR = TimeRange(datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
RANGE = ("--symbol", "BTC", "--start", "2021-01-01", "--end", "2022-01-01")
REFERENCES = {
    "5m": ("data/reference/exchange_binance_btcusdt_5m_2021-01-01_2021-05-13.parquet", 17),
    "15m": ("data/reference/exchange_binance_btcusdt_15m_2021-06-03_2021-07-03.parquet", 0),
    "1h": ("data/reference/exchange_binance_btcusdt_1h_2021-06-03_2021-07-03.parquet", 0),
}
# The exchange restated minutes of these hours after the reference candles were downloaded (../shared/data/README.md).
RESTATED = [
    TimeRange(datetime(2021, 1, 11, 8, tzinfo=UTC), datetime(2021, 1, 11, 8, 15, tzinfo=UTC)),
    TimeRange(datetime(2021, 4, 22, 2, tzinfo=UTC), datetime(2021, 4, 23, 3, tzinfo=UTC)),
]


def _btc(url: str, *arguments: str) -> dict[str, object]:
    """Run a command with ``--json``, expect success and return what it printed."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "btc_assets.cli", *arguments, "--json"],
        cwd=ROOT,
        env={**env, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answered: dict[str, object] = json.loads(done.stdout)
    return answered


def _rows(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def test_the_real_year_from_file_to_backtest(shared: Path, database_url: str) -> None:
    """Import, derive and backtest of 2021: the exchange's own candles, the six gaps, decisions by the rule, figures."""
    _btc(database_url, "import", str(shared / YEAR_FILE), "--symbol", "BTC")
    _btc(database_url, "derive", *RANGE)
    _equal_the_exchanges_candles(shared, database_url)
    _flag_the_gaps(database_url)
    _decide_by_completeness(database_url)
    stamps = "SELECT count(*), max(ingested_at) FROM candles"
    before = _rows(database_url, stamps)
    again = _btc(database_url, "derive", *RANGE)
    assert again["rows_written"] == {"candles": 0, "indicators": 0, "decisions": 0, "paper": 0}
    _btc(database_url, "import", str(shared / YEAR_FILE), "--symbol", "BTC")
    assert _rows(database_url, stamps) == before
    arguments = ("backtest", *RANGE, "--intervals", "37m", "--strategy", "ma44")
    first, second = _btc(database_url, *arguments), _btc(database_url, *arguments, "--force")
    assert {**first, "id": None} == {**second, "id": None}
    assert (first["n_candles"], first["n_skipped"]) == (14_130, 10)
    _agree_with_live(database_url, str(first["id"]))


def _equal_the_exchanges_candles(shared: Path, url: str) -> None:
    """Prices are copies, exact; volumes are sums, to the last digits; the restated candles aside."""
    for label, (file, n_restated) in REFERENCES.items():
        reference = pl.read_parquet(shared / file)
        with open_frames(url) as frames:
            ours = read_candles(frames, "BTC", parse_interval(label), YEAR)
        joined = reference.join(ours, on="time", how="left", suffix="_ours")
        prices = [pl.col(name).ne_missing(pl.col(f"{name}_ours")) for name in ("open", "high", "low", "close")]
        volume = (pl.col("volume") - pl.col("volume_ours")).abs() > 1e-6 * pl.col("volume")
        different = joined.filter(pl.any_horizontal(*prices, volume))["time"].to_list()
        assert len(different) == n_restated
        assert all(any(time in restated for restated in RESTATED) for time in different)


def _flag_the_gaps(url: str) -> None:
    found = _rows(
        url,
        "SELECT count(*), sum((details ->> 'n_minutes')::int) FROM data_quality "
        "WHERE interval = '1m' AND kind = 'gap' AND resolved_at IS NULL",
    )
    assert found == [(6, 993)]
    gaps = _btc(url, "gaps", "--symbol", "BTC")
    assert gaps["n_minutes"] == 993


def _decide_by_completeness(url: str) -> None:
    """Law 4: a candle with at least 95 % of its minutes has a decision, another has a finding; none has both."""
    least = "ceil(0.95 * 37 - 1e-9)"
    warm = "c.time > (SELECT min(time) FROM decisions WHERE interval = '37m' AND strategy = 'ma44')"
    decided = "EXISTS (SELECT FROM decisions d WHERE d.interval = '37m' AND d.strategy = 'ma44' AND d.time = c.time)"
    skipped = (
        "EXISTS (SELECT FROM data_quality q WHERE q.interval = '37m' AND q.details ->> 'strategy' = 'ma44' "
        "AND q.start_time = c.time)"
    )
    wrong = _rows(
        url,
        f"SELECT count(*) FROM candles c WHERE interval = '37m' AND {warm} "
        f"AND ({decided} <> (minutes >= {least}) OR {skipped} <> (minutes < {least}))",
    )
    touched = _rows(url, f"SELECT count(*) FROM candles c WHERE interval = '37m' AND minutes < 37 AND {warm}")
    assert wrong == [(0,)]
    assert touched[0][0] >= 10


def _agree_with_live(url: str, backtest_id: str) -> None:
    """Law 7: what was decided from the same exposure on is the same, row for row."""
    columns = "time, seq, signal, confidence, exposure, price, indicator_snapshot::text"
    stream = "interval = '37m' AND strategy = 'ma44'"
    live = _rows(url, f"SELECT {columns} FROM decisions WHERE {stream} AND backtest_id IS NULL ORDER BY time, seq")
    simulated = _rows(
        url, f"SELECT {columns} FROM decisions WHERE {stream} AND backtest_id = '{backtest_id}' ORDER BY time, seq"
    )
    assert live == simulated
    assert timedelta(days=360) < simulated[-1][0] - simulated[0][0]
