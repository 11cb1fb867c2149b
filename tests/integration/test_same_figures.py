"""The same figures by whatever way they come: in one run, from months, after a restart, after a killed process.

Three months of 2021 with two outages, or the whole year, by ``BTC_TEST_YEAR=1``.
"""

import json
import os
import random
import signal
from datetime import UTC, datetime

import polars as pl
import psycopg2
import pytest
from click.testing import CliRunner

from benchmarks.one_pass import query
from btc_assets.commands import backtest
from btc_core.errors import DatabaseError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import candles_closed_in, months_of
from btc_core.resample import close_time
from btc_core.simulator.simulate import simulate
from btc_core.strategy import load_strategy
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.derive import Provenance, derive_candles, derive_decisions
from btc_store.frames import open_frames
from btc_store.funding import SCHEMA, read_funding, store_funding
from btc_store.warm_up import Minutes
from tests.conftest import _execute
from tests.derivation import LATER, RULE, shared_minutes, store_minutes
from tests.e2e.processes import processes
from tests.integration.test_derive import CutOff

YEAR = TimeRange(datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))
IS_WHOLE = bool(os.environ.get("BTC_TEST_YEAR"))
# What is stored, and what is simulated: in the quarter the months before are warm-up, of 125 days too (nearly).
HISTORY = YEAR if IS_WHOLE else TimeRange(YEAR.start, datetime(2021, 7, 1, tzinfo=UTC))
RANGE = YEAR if IS_WHOLE else TimeRange(datetime(2021, 4, 1, tzinfo=UTC), HISTORY.end)
INTERVALS = [parse_interval(label) for label in ("37m", "148m", "1d")]
CASES = [(name, interval) for name in ("ma44", "ma125") for interval in INTERVALS]
CONFIG = BacktestConfig(leverage=2, slippage_bps=1, stop_bps=400)
BY = Provenance(run_id="test", now=LATER)
# What a decision says: neither who made it nor when.
WORD = "time, seq, signal, confidence, exposure, price, indicator_snapshot::text AS seen, revision"


@pytest.fixture(scope="module")
def url(server, template, shared):
    """A database with the minutes, made-up funding, and the derived candles of its months."""
    name = f"{template}_same_figures"
    _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    year = shared_minutes(pl.read_parquet(shared / "data" / "candles" / "binance_btcusdt_1m_2021.parquet"))
    with open_frames(server.url_of(name)) as frames:
        store_minutes(frames, "BTC", year.filter(pl.col("time") < HISTORY.end))
        store_funding(frames, "BTC", made_funding(), "import:test")
        for month in months_of(HISTORY):
            derive_candles(frames, "BTC", {interval: [candles_closed_in(month, interval)] for interval in INTERVALS})
    yield server.url_of(name)
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def frames(url):
    """A connection to it."""
    with open_frames(url) as opened:
        yield opened


def made_funding():
    """Return a settlement every eight hours, as they were in 2021: long pays as a rule."""
    chance = random.Random(5)
    times = pl.datetime_range(RANGE.start, RANGE.end, "8h", closed="left", time_unit="us", eager=True)
    rates = [chance.gauss(1e-4, 2e-4) for _ in times]
    return pl.DataFrame({"time": times, "rate": rates, "premium": None}, schema=SCHEMA)


def in_one_run(frames, name, interval):
    """Return the backtest of the whole range, computed now."""
    request = BacktestRequest(
        symbol="BTC", interval=interval, strategy=load_strategy(name, {}), range_=RANGE, config=CONFIG
    )
    return run_backtest(frames, request, rule=RULE, run_id="test", is_forced=True)


def forget_candles(frames, interval):
    """Delete the derived candles of the range: a month that is decided on must not see those of the next."""
    gone = "WITH gone AS (DELETE FROM candles WHERE interval = $1 AND time >= $2 RETURNING 1) SELECT count(*) FROM gone"
    with frames.transaction():
        query(frames, gone, interval.label, candles_closed_in(RANGE, interval).start)


def derive_month(frames, month, interval, strategy):
    """Derive what a month owns, as its partition does."""
    spans = [candles_closed_in(month, interval)]
    derive_candles(frames, "BTC", {interval: spans})
    derive_decisions(frames, "BTC", interval, spans, strategy, rule=RULE, by=BY)


def renamed(name, suffix):
    """Return a strategy under another name: its decisions are a stream of their own."""
    strategy = load_strategy(name, {})
    return type(strategy)(f"{name}{suffix}", strategy.rule, strategy.parameters)


def live_words(frames, strategy, interval):
    """Return what was decided on the way to the present."""
    where = "strategy = $1 AND interval = $2 AND backtest_id IS NULL ORDER BY time, revision, seq"
    return query(frames, f"SELECT {WORD} FROM decisions WHERE {where}", strategy.name, interval.label)


def simulated_words(frames, done):
    """Return what a backtest decided."""
    where = "backtest_id = $1::uuid ORDER BY time, revision, seq"
    return query(frames, f"SELECT {WORD} FROM decisions WHERE {where}", str(done.id))


@pytest.mark.parametrize(("name", "interval"), CASES)
def test_months_stitched_give_the_figures_of_one_run(name, interval, frames):
    """To the last bit: every decision with what it saw, every fill, trade and point of the curve, every figure."""
    done, strategy = in_one_run(frames, name, interval), renamed(name, "_months")
    forget_candles(frames, interval)
    for month in months_of(RANGE):
        derive_month(frames, month, interval, strategy)
    words = live_words(frames, strategy, interval)
    assert words.equals(simulated_words(frames, done))
    positions = words.unique("time", keep="last", maintain_order=True).with_columns(
        close_time=close_time(pl.col("time"), interval)
    )
    stitched = simulate(
        positions,
        Minutes(frames, "BTC", RANGE.end).since(RANGE.start),
        done.request.config,
        range_=RANGE,
        interval=interval,
        funding=read_funding(frames, "BTC", RANGE),
    )
    assert stitched.results == done.simulation.results
    assert stitched.results.n_trades > 0
    assert stitched.results.funding_paid
    for part in ("fills", "trades", "equity"):
        assert getattr(stitched, part).equals(getattr(done.simulation, part)), part


@pytest.mark.parametrize(("name", "interval"), CASES)
def test_a_restart_in_the_middle_changes_no_decision(name, interval, frames, url):
    """A month loses the server half way; a new connection repeats the month before it, then it and the rest."""
    strategy, months = renamed(name, "_restarted"), months_of(RANGE)
    half = len(months) // 2
    forget_candles(frames, interval)
    with pytest.raises(DatabaseError), open_frames(url) as own:
        for month in months[:half]:
            derive_month(own, month, interval, strategy)
        derive_month(CutOff(own, frames, after=2), months[half], interval, strategy)
    with open_frames(url) as again:
        for month in months[half - 1 :]:
            derive_month(again, month, interval, strategy)
    words = live_words(frames, strategy, interval)
    assert words.height > 0
    assert words.equals(simulated_words(frames, in_one_run(frames, name, interval)))


# `btc backtest` reads the first after it decided, and writes the others after the row says that it is finished.
STATIONS = ("funding", "decisions", "backtest_equity")


def test_a_killed_backtest_is_none_and_the_next_is_whole(url, settings_for, tmp_path):
    """SIGKILL leaves nothing that counts as finished; asked again it is computed, as if nothing had happened."""
    asked = ["--symbol", "BTC", "--intervals", "37m", "--strategy", "ma44", "--leverage", "2", "--json"]
    asked += ["--start", f"{RANGE.start:%Y-%m-%d}", "--end", f"{RANGE.end:%Y-%m-%d}"]
    killed = "FROM backtest_runs WHERE run_id = 'btc backtest'"
    with processes(tmp_path, DATABASE_URL=url) as group, psycopg2.connect(url) as holder:
        for station in STATIONS:
            kill_at(station, group, holder, asked)
        # The next one says of the one before that its process is gone; the API says it of the last one, too.
        words = rows(holder, f"SELECT status, error, backtest_fault(id, status) {killed} ORDER BY created_at")
        assert [status for status, *_ in words] == ["failed"] * (len(STATIONS) - 1) + ["running"]
        assert all("without a word" in (error or fault) for _, error, fault in words)
        for table in ("decisions", "backtest_trades", "backtest_equity"):
            assert rows(holder, f"SELECT count(*) FROM {table} WHERE backtest_id IN (SELECT id {killed})") == [(0,)]
    again, forced = (answer_of(settings_for(url), *asked, *more) for more in ([], ["--force"]))
    with psycopg2.connect(url) as holder:
        assert rows(holder, f"SELECT status, count(*) {killed} GROUP BY 1 ORDER BY 1") == [
            ("failed", 3),
            ("finished", 2),
        ]
    assert not again["is_found"]
    assert again["n_trades"] > 0
    assert again | {"id": None} == forced | {"id": None}


def kill_at(station, group, holder, asked):
    """Start a backtest, and kill it when it waits for a table that we hold."""
    rows(holder, f"LOCK TABLE {station} IN ACCESS EXCLUSIVE MODE")
    waiting = f"SELECT count(*) FROM pg_locks WHERE relation = '{station}'::regclass AND NOT granted"
    group.start(station, "btc_assets.cli", "backtest", *asked)
    group.wait_for(f"a backtest that waits for {station}", lambda: rows(holder, waiting) != [(0,)], seconds=60)
    assert group.stop(station, signal.SIGKILL) == -signal.SIGKILL
    holder.commit()
    # Its session notices when it is let go.
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    group.wait_for("the end of its session", lambda: rows(holder, held) == [(0,)], seconds=60)


def rows(connection, sql):
    """Return what a question answers, or nothing; the transaction stays open."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def answer_of(settings, *asked):
    """Return what `btc backtest` answers."""
    said = CliRunner().invoke(backtest.COMMAND, asked, obj=settings)
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)
