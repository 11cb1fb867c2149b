"""Backtests over stored minutes: what is kept, and that they say what the live pipeline says."""

import gzip
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import polars as pl
import psycopg2
import pytest

from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import candles_closed_in
from btc_core.strategy import load_strategy
from btc_store.backtests import BacktestRequest, read_equity, run_backtest, stored_range
from btc_store.derive import Provenance, derive_candles, derive_decisions
from btc_store.frames import open_frames
from btc_store.quality import find_gaps
from tests.derivation import LATER, RULE, made_minutes, note_no_trade, store_minutes

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 9, tzinfo=UTC))
INTERVAL = parse_interval("37m")


@pytest.fixture
def frames(database_url):
    """A database with six days of minutes, gaps and ties in them."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(HISTORY, random.Random(8), n_gaps=6))
        yield opened


def request_for(range_=HISTORY, **parameters):
    """Return a backtest of a moving average over a range."""
    strategy = load_strategy("ma", {"period": 9, **parameters})
    return BacktestRequest(
        symbol="BTC", interval=INTERVAL, strategy=strategy, range_=range_, config=BacktestConfig(leverage=1)
    )


def rows(url, sql):
    """Return what a question to the database answers."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def test_run_decisions_trades_and_equity_are_kept(frames, database_url):
    """What a backtest answers can be read again from the tables."""
    done = run_backtest(frames, request_for(), rule=RULE, run_id="test")
    results = done.simulation.results
    assert results.n_trades > 5
    kept = rows(database_url, "SELECT status, progress, (results ->> 'n_trades')::int, error FROM backtest_runs")
    assert kept == [("finished", 1.0, results.n_trades, None)]
    assert rows(database_url, "SELECT count(*), sum(pnl) FROM backtest_trades")[0] == pytest.approx(
        (results.n_trades, results.total_pnl)
    )
    assert read_equity(frames, done.id).equals(done.simulation.equity.select("time", "equity", "drawdown", "exposure"))
    decided = rows(database_url, "SELECT count(DISTINCT time) FROM decisions WHERE backtest_id IS NOT NULL")
    assert decided == [(results.n_candles,)]


def test_it_says_what_the_live_pipeline_says(frames, database_url):
    """Law 7: over the same minutes the decisions are the same, row for row, snapshot included.

    So they are where minutes are known to be without trades.
    """
    gaps = find_gaps(frames, "BTC", HISTORY)
    note_no_trade(frames, "BTC", gaps[::2])
    span = candles_closed_in(HISTORY, INTERVAL)
    derive_candles(frames, "BTC", {INTERVAL: [span]})
    by = Provenance(run_id="live", now=LATER)
    derive_decisions(frames, "BTC", INTERVAL, [span], request_for().strategy, rule=RULE, by=by)
    run_backtest(frames, request_for(), rule=RULE, run_id="test")
    said = (
        "SELECT time, seq, signal, confidence, exposure, price, indicator_snapshot::text FROM decisions "
        "WHERE backtest_id IS {} NULL ORDER BY time, seq"
    )
    live, simulated = rows(database_url, said.format("")), rows(database_url, said.format("NOT"))
    assert len(live) > 100
    assert live == simulated
    assert any("no_trade_minutes" in row[-1] for row in live)
    seen = rows(database_url, "SELECT DISTINCT data_revision FROM decisions WHERE backtest_id IS NOT NULL")
    assert seen == rows(database_url, "SELECT max(ingested_at) FROM candles WHERE interval = '1m'")


def test_the_warm_up_comes_from_before_the_range(frames):
    """A range in the middle of the history decides at its first candle already."""
    late = TimeRange(HISTORY.start + timedelta(days=3), HISTORY.end)
    done = run_backtest(frames, request_for(late), rule=RULE, run_id="test")
    first = done.simulation.equity["time"][0]
    assert first - late.start <= timedelta(minutes=2 * 37)


def test_twice_gives_the_same_figures(frames):
    """The same question has the same answer, to the last bit."""
    first = run_backtest(frames, request_for(), rule=RULE, run_id="test").simulation
    second = run_backtest(frames, request_for(), rule=RULE, run_id="test").simulation
    assert first.results == second.results
    assert pl.DataFrame.equals(first.trades, second.trades)


def test_what_was_asked_for_under_an_id_is_kept_under_it_also_where_it_is_found(frames, database_url):
    """Who was given an id reads all of it there: figures, trades, equity, decisions, and a page with that id."""
    first = run_backtest(frames, request_for(), rule=RULE, run_id="first")
    key = uuid4()
    again = run_backtest(
        frames,
        request_for(),
        rule=RULE,
        run_id="again",
        id_=key,
        render=lambda done, minutes: f"{done.id} {len(minutes)}",
    )
    assert (again.id, again.is_found, again.simulation.results) == (key, True, first.simulation.results)
    assert again.simulation.trades.equals(first.simulation.trades)
    kept = "SELECT count(*), count(DISTINCT row_to_json(r)::jsonb - 'backtest_id') FROM {} AS r"
    for table in ("backtest_trades", "backtest_equity"):
        (((n_rows, n_different),)) = rows(database_url, kept.format(table))
        assert n_rows == 2 * n_different > 0
    said = rows(database_url, "SELECT backtest_id, count(*) FROM decisions GROUP BY 1")
    assert len(said) == 2
    assert len({n for _, n in said}) == 1
    runs = "SELECT results FROM backtest_runs WHERE status = 'finished' AND progress = 1"
    one, other = rows(database_url, runs)
    assert one == other
    ((html,),) = rows(database_url, f"SELECT html FROM backtest_reports WHERE backtest_id = '{key}'")
    n_minutes = made_minutes(HISTORY, random.Random(8), n_gaps=6).height
    assert gzip.decompress(html).decode() == f"{key} {n_minutes}"


def test_a_range_without_minutes_is_a_sentence(frames):
    """Where nothing is stored nothing can be simulated; the sentence says where to look."""
    empty = TimeRange(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="no 1m candle of BTC is stored between 2020-01-01"):
        stored_range(frames, "BTC", empty)


def test_a_failure_is_kept_with_its_reason(frames, database_url):
    """A range shorter than a candle fails, and the run says so in the table."""
    short = TimeRange(HISTORY.start + timedelta(minutes=5), HISTORY.start + timedelta(minutes=6))
    with pytest.raises(DataError, match="no 37m candle closes"):
        run_backtest(frames, request_for(short), rule=RULE, run_id="test")
    ((status, error),) = rows(database_url, "SELECT status, error FROM backtest_runs")
    assert status == "failed"
    assert "choose a longer range" in error
