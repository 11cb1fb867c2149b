"""The real year 2021 live: played by the demo exchange, collected, decided on; the figures are those of an import.

A day of May 2021, or the week of its crash by ``BTC_TEST_WEEK=1`` (three minutes).
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg2
import pytest
from click.testing import CliRunner

from benchmarks.one_pass import query
from btc_assets.cli import main
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import candles_closed_in
from btc_core.resample import close_time
from btc_core.simulator.simulate import simulate
from btc_core.strategy import load_strategy
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.derive import derive_candles
from btc_store.frames import open_frames
from btc_store.parity import differences
from btc_store.ports import free_port
from btc_store.warm_up import Minutes
from tests.conftest import _execute
from tests.derivation import RULE
from tests.e2e.processes import ROOT, processes, scaled_clock, start_exchange

pytestmark = pytest.mark.e2e

IS_WEEK = bool(os.environ.get("BTC_TEST_WEEK"))
# Market seconds a second: a day in half a minute. A person may want to look at it.
RATE = float(os.environ.get("BTC_TEST_RATE", "3600"))
# BTC fell by 30 % on the 19th.
START = datetime(2021, 5, 17 if IS_WEEK else 19, tzinfo=UTC)
PLAYED = TimeRange(START, START + timedelta(days=7 if IS_WEEK else 1))
# The processes start some hours earlier, and the market goes on some hours longer.
ROOM = timedelta(hours=4)
# What was imported before they are started: all of the year, or what the averages look back.
PAST = TimeRange(datetime(2021, 1, 1, tzinfo=UTC) if IS_WEEK else START - timedelta(days=14), START - ROOM)
INTERVALS = [parse_interval(label) for label in (("37m", "148m", "1d") if IS_WEEK else ("37m", "148m"))]
CASES = [(name, interval) for name in ("ma44", "ma125") for interval in INTERVALS]
CONFIG = BacktestConfig(leverage=2, slippage_bps=1, stop_bps=400)

MINUTES = """SELECT time, open, high, low, close, volume, trades FROM candles
WHERE interval = '1m' AND time >= $1 AND time < $2 ORDER BY time"""
# The newest word on each candle, and how often it was another one at first.
WORDS = """SELECT time, exposure, confidence, price, indicator_snapshot::text AS seen, revision FROM (
  SELECT *, rank() OVER (PARTITION BY time ORDER BY revision DESC, seq DESC) AS place FROM decisions
  WHERE strategy = $1 AND interval = $2 AND coalesce(backtest_id::text, 'live') = $3) AS said
WHERE place = 1 AND time >= $4 AND time < $5 ORDER BY time"""


@pytest.fixture
def imported_url(server, template):
    """Another database."""
    name = f"{template}_imported"
    _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url_of(name)
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_market_that_is_played_live_has_the_figures_of_an_import(
    shared: Path, database_url: str, imported_url: str, settings_for, tmp_path: Path
) -> None:
    """Every minute, every decision with what it saw, every figure; and the check of parity finds nothing."""
    year = pl.read_parquet(shared / "data" / "candles" / "binance_btcusdt_1m_2021.parquet")
    for url, end, name in ((database_url, PAST.end, "past"), (imported_url, PLAYED.end, "all")):
        file = tmp_path / f"{name}.parquet"
        year.filter(pl.col("time").is_between(PAST.start, end, closed="left")).write_parquet(file)
        done = CliRunner().invoke(main, ["import", str(file), "--symbol", "BTC"], obj=settings_for(url))
        assert done.exit_code == 0, done.output
    with open_frames(database_url) as frames:
        derive_candles(frames, "BTC", {each: [candles_closed_in(PAST, each)] for each in INTERVALS})
    tape = tmp_path / "tape.parquet"
    year.filter(pl.col("time").is_between(PAST.start, PLAYED.end + ROOM, closed="left")).write_parquet(tape)
    play(database_url, tape, tmp_path)
    with open_frames(database_url) as live, open_frames(imported_url) as imported:
        stored = [query(each, MINUTES, PLAYED.start, PLAYED.end) for each in (live, imported)]
        assert stored[0].height == PLAYED.n_minutes
        assert stored[0].equals(stored[1])
        for name, interval in CASES:
            agree(live, imported, name, interval)


def play(url: str, tape: Path, folder: Path) -> None:
    """Let the exchange play the market, and collector and lane work on it, until the last candle is decided on."""
    env = {
        "DATABASE_URL": url,
        "BTC_SYMBOLS": "BTC",
        "COLLECTOR_HTTP_PORT": str(free_port()),
        "BTC_CLOCK": scaled_clock(PAST.end.timestamp(), RATE),
        "BTC_CONFIG": str(ROOT / "config.yaml"),
    }
    last = {interval: candles_closed_in(PLAYED, interval).end for interval in INTERVALS}
    seconds = 120 + (PLAYED.end - PAST.end).total_seconds() / RATE
    with processes(folder, **env) as group:
        start_exchange(group, "--file", str(tape), "--symbol", "BTC")
        group.start("live", "live")
        group.start("collector", "collector")
        group.wait_for(
            "the last decisions",
            lambda: all(decided_until(url, interval) >= end for interval, end in last.items()),
            seconds=seconds,
        )
        # The last candle may close before the last minute; and what a correction has made doubtful is said anew.
        group.wait_for("the last confirmation", lambda: n_confirmed(url) == PLAYED.n_minutes, seconds=60)
        assert group.stop("collector") == 0
        assert group.stop("live") == 0


def decided_until(url: str, interval) -> datetime:
    """Return the close of the newest candle of an interval on which every strategy has decided."""
    newest = f"SELECT max(time) AS newest FROM decisions WHERE interval = '{interval}' GROUP BY strategy"
    ((found,),) = rows(url, f"SELECT coalesce(min(newest), to_timestamp(0)) FROM ({newest}) AS each")
    return interval.close_of(found)


def n_confirmed(url: str) -> int:
    """Return how many minutes the exchange's history has confirmed."""
    played = f"time >= '{PLAYED.start}' AND time < '{PLAYED.end}'"
    return rows(url, f"SELECT count(*) FROM candles WHERE interval = '1m' AND state = 'confirmed' AND {played}")[0][0]


def rows(url: str, sql: str) -> list[tuple]:
    """Return what a question answers."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def agree(live, imported, name, interval) -> None:
    """Hold what was decided live against the backtest over the imported minutes, and the figures of both."""
    strategy, owned = load_strategy(name, {}), candles_closed_in(PLAYED, interval)
    request = BacktestRequest(symbol="BTC", interval=interval, strategy=strategy, range_=PLAYED, config=CONFIG)
    backtests = [run_backtest(each, request, rule=RULE, run_id="test") for each in (live, imported)]
    done = backtests[1]
    words = query(live, WORDS, name, interval.label, "live", owned.start, owned.end)
    simulated = query(imported, WORDS, name, interval.label, str(done.id), owned.start, owned.end)
    assert words.height == len(interval.opens(owned))
    assert words.drop("revision").equals(simulated.drop("revision"))
    said = words.with_columns(close_time=close_time(pl.col("time"), interval))
    minutes = Minutes(live, "BTC", PLAYED.end).since(PLAYED.start)
    replayed = simulate(said, minutes, done.request.config, range_=PLAYED, interval=interval)
    for part in ("results", "fills", "trades", "equity"):
        found = [getattr(each, part) for each in (replayed, *(backtest.simulation for backtest in backtests))]
        assert all(each.equals(found[0]) if isinstance(each, pl.DataFrame) else each == found[0] for each in found), (
            part
        )
    assert (replayed.results.n_candles, replayed.results.n_trades > 0) == (words.height, True)
    assert differences(live, "BTC", interval, owned, strategy, rule=RULE).height == 0
