"""Corrections flow (law 10): a week of real history comes late, and Dagster heals what hangs on it, untold.

A quarter of 2021, or the whole year: ``BTC_TEST_YEAR=1 pytest tests/e2e/test_healing.py``.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import psycopg2
import pytest

from benchmarks.one_pass import differences_between
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_store.ports import free_port
from btc_store.settings import load_settings, project_root
from live.plan import plan_of
from sensors.requests import RANGE_END, RANGE_START, touched_of
from tests.conftest import Server, _execute
from tests.e2e.processes import ROOT, Processes, processes

pytestmark = pytest.mark.e2e

YEAR_FILE = "data/candles/binance_btcusdt_1m_2021.parquet"
# Over the end of a month, Monday to Monday, right behind an outage.
WEEK = TimeRange(datetime(2021, 4, 26, tzinfo=UTC), datetime(2021, 5, 3, tzinfo=UTC))
KNOWN = (
    TimeRange(datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
    if os.environ.get("BTC_TEST_YEAR")
    else TimeRange(datetime(2021, 3, 1, tzinfo=UTC), datetime(2021, 6, 1, tzinfo=UTC))
)
# The week and the 3d candle over the end close in the next month.
RANGE = ("--symbol", "BTC", "--start", f"{KNOWN.start:%Y-%m-%d}", "--end", f"{KNOWN.end + timedelta(days=3):%Y-%m-%d}")
SECONDS = 240

# The newest result of every check. Those of the present belong to no month.
CHECKS = """SELECT DISTINCT ON (asset_key, check_name, partition) asset_key, check_name, partition, execution_status
FROM dagster.asset_check_executions WHERE execution_status IN ('SUCCEEDED', 'FAILED') AND partition IS NOT NULL
ORDER BY asset_key, check_name, partition, id DESC"""


@pytest.fixture
def unbroken_url(server: Server, template: str) -> Iterator[str]:
    """Address of a second database, for the year as it was."""
    name = f"{template}_unbroken"
    _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url_of(name)
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


def _btc(url: str, *arguments: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "btc_assets.cli", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**env, "DATABASE_URL": url}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _rows(url: str, sql: str, *values: object) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url, options="-c timezone=UTC")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    finally:
        connection.close()


def test_a_week_that_comes_late_heals_by_itself(
    shared: Path, database_url: str, unbroken_url: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """After the import of the week alone: the rows, findings and checks of an unbroken import; no more was derived."""
    history, late = pl.read_parquet(shared / YEAR_FILE).filter(_is_in(KNOWN)), tmp_path / "week.parquet"
    history.write_parquet(tmp_path / "unbroken.parquet")
    history.filter(_is_in(WEEK)).write_parquet(late)
    history.filter(~_is_in(WEEK)).write_parquet(tmp_path / "broken.parquet")
    _btc(unbroken_url, "import", str(tmp_path / "unbroken.parquet"), "--symbol", "BTC", "--source", "file")
    _btc(unbroken_url, "derive", *RANGE)
    _btc(database_url, "import", str(tmp_path / "broken.parquet"), "--symbol", "BTC", "--source", "file")
    with processes(tmp_path, DATABASE_URL=database_url, DAGSTER_HOME=str(project_root())) as group:
        _start_dagster(group, tmp_path)
        first = _next_success(group, instance, before=[])
        assert differences_between(database_url, unbroken_url, "BTC") != {}
        since = _rows(database_url, "SELECT clock_timestamp()")[0][0]
        _btc(database_url, "import", str(late), "--symbol", "BTC", "--source", "file")
        second = _next_success(group, instance, before=[first])
    assert differences_between(database_url, unbroken_url, "BTC") == {}
    assert _checks(database_url) == _checks(unbroken_url)
    _derived_no_more(database_url, second, since)


def _is_in(span: TimeRange) -> pl.Expr:
    return pl.col("time").is_between(span.start, span.end, closed="left")


def _start_dagster(group: Processes, folder: Path) -> None:
    """Start the code location and the daemon with its sensors."""
    port, workspace = free_port(), folder / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: btc}}\n")
    address = ("-h", "127.0.0.1", "-p", str(port), "--location-name", "btc")
    group.start("location", "dagster", "api", "grpc", "-m", "btc_assets.definitions", *address)
    group.wait_for("the code location", lambda: "Started Dagster code server" in group.log("location"), seconds=60)
    group.start("daemon", "dagster._daemon", "run", "-w", str(workspace))


def _next_success(group: Processes, instance: dg.DagsterInstance, *, before: list[dg.DagsterRun]) -> dg.DagsterRun:
    """Wait for the next run that the sensor asked for, and return it."""
    known = {run.run_id for run in before}

    def ended() -> list[dg.DagsterRun]:
        return [run for run in instance.get_runs() if run.is_finished and run.run_id not in known]

    group.wait_for("the sensor's run", lambda: bool(ended()), seconds=SECONDS)
    (run,) = ended()
    assert run.status == dg.DagsterRunStatus.SUCCESS
    return run


def _checks(url: str) -> dict[tuple[object, ...], object]:
    """Return whether each check passes, by asset, name and month."""
    found = {tuple(key): status for *key, status in _rows(url, CHECKS)}
    assert {"complete", "gaps", "ohlc", "sums", "four_37m"} <= {name for _, name, _ in found}
    return found


def _derived_no_more(url: str, run: dg.DagsterRun, since: datetime) -> None:
    """Count what the second run touched and wrote: the week's candles, and what looks back at them."""
    plan = plan_of(load_settings({"DATABASE_URL": url, "BTC_CONFIG": str(ROOT / "config.yaml")}).config)
    assert (run.tags[RANGE_START], run.tags[RANGE_END]) == ("2021-04-01|BTC", "2021-05-01|BTC")
    touched = touched_of(run.tags)
    assert set(touched) == {interval.label for interval in plan.intervals}
    for ranges in touched.values():
        assert ranges == [WEEK]
    # Candles: those that hold a minute of the week, and not one more.
    written = _rows(
        url,
        "SELECT interval, min(time), max(time), count(*) FROM candles WHERE interval <> '1m' AND ingested_at >= %s "
        "GROUP BY interval",
        since,
    )
    for label, first, last, n in written:
        interval = parse_interval(str(label))
        cover = interval.cover(WEEK)
        assert (first, interval.close_of(last)) == (cover.start, cover.end)
        assert n == len(list(interval.opens(cover)))
    assert len(written) == len(plan.intervals)
    # The longest average is of 125 candles, the one that changed among them.
    _reach_no_further(url, "indicators", f"ingested_at >= '{since.isoformat()}'", most_after=124)
    _reach_no_further(url, "decisions", f"run_id = '{run.run_id}'", most_after=124)


def _reach_no_further(url: str, table: str, is_new: str, *, most_after: int) -> None:
    """Count rows that are new since the week came: none before it, few after it."""
    counts = _rows(
        url,
        "SELECT interval, min(time), count(DISTINCT time), count(DISTINCT time) FILTER (WHERE time >= %s) "
        f"FROM {table} WHERE {is_new} GROUP BY interval",
        WEEK.end,
    )
    assert {label for label, *_ in counts} == {"37m", "148m", "1d"}
    for label, first, n, n_after in counts:
        print(f"{table} {label}: {n} candles, {n_after} of them behind the week")
        assert first >= parse_interval(str(label)).floor(WEEK.start)
        assert 0 < n_after <= most_after
