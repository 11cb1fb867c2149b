"""Derivation on the real server: what is read, what is written, what a repeated or killed run leaves (laws 3 to 10)."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from benchmarks.one_pass import differences, outcome
from btc_core.decide import Completeness
from btc_core.errors import DatabaseError
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.partitions import candles_closed_in, month_range
from btc_core.strategy import load_strategy
from btc_store.derive import Provenance, Written, derive_candles, derive_decisions, read_around
from btc_store.frames import Frames, open_frames
from tests.derivation import (
    LATER,
    RULE,
    Pipeline,
    copy_no_trade,
    made_minutes,
    minute,
    minutes_frame,
    note_no_trade,
    query,
    store_minutes,
    written,
)

ROOT = Path(__file__).resolve().parents[2]
# The open of a candle of 3m and of 37m, three days before the end of a month.
START = parse_interval("111m").floor(datetime(2021, 1, 29, tzinfo=UTC))
SPAN = TimeRange(START, START + timedelta(days=6))
THREE = parse_interval("3m")
# One interval, and a look-back of two candles.
SMALL = Pipeline(intervals=[THREE], periods={"3m": [3]})


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def candle_minutes(first: int, closes: Sequence[float]) -> pl.DataFrame:
    """Return the minutes of consecutive 3m candles that close at these prices."""
    rows = [minute(3 * (first + n) + i, START, price=close) for n, close in enumerate(closes) for i in range(3)]
    return minutes_frame(rows)


def span_of(first: int, n: int) -> TimeRange:
    """Return the range of consecutive 3m candles."""
    return TimeRange(START + 3 * first * MINUTE, START + 3 * (first + n) * MINUTE)


def arrive(frames: Frames, symbol: str, first: int, closes: Sequence[float], pipeline: Pipeline = SMALL) -> int:
    """Store candles' minutes and derive what hangs on them; returns how many rows that changed."""
    store_minutes(frames, symbol, candle_minutes(first, closes))
    return pipeline.derive_minutes(frames, symbol, [span_of(first, len(closes))], now=LATER)


def decisions(frames: Frames, symbol: str, columns: str = "time, revision, seq, signal, exposure") -> list[tuple]:
    """Return every word that was said."""
    sql = f"SELECT {columns} FROM decisions WHERE symbol = $1 ORDER BY time, revision, seq"
    return query(frames, sql, symbol).rows()


# How the time line is cut, in candles: (first, closes), one after the other; what is said again replaces.
FLAT = [7.0]
CUTS = {
    "a correction turns the exposure that a hundred ties keep": [(0, FLAT * 120), (10, [8.0])],
    "and turns it back": [(0, FLAT * 120), (10, [8.0]), (10, FLAT)],
    "earlier history gives the first decision an exposure to keep": [(100, FLAT * 50), (0, [5.0, 6.0] + FLAT * 98)],
    "earlier history is shorter than the look-back": [(5, FLAT * 40), (4, [9.0]), (3, [5.0])],
    "a filled gap shifts the windows behind it": [(0, [5, 6, 7] + FLAT * 20), (60, FLAT * 90), (23, [9.0] + FLAT * 36)],
    "a single candle comes into a gap of many": [
        (0, FLAT * 10),
        (60, FLAT * 90),
        (30, [9.0]),
        (40, [3.0]),
        (39, [8.0]),
    ],
    "two corrections, the later one first": [(0, FLAT * 90), (50, [5.0]), (20, [9.0])],
    "newest first, one by one": [(n, [7.0 + n % 3 % 2]) for n in range(25, -1, -1)],
    "every second one, then the others": [
        *((n, [7.0 + n % 5 // 4]) for n in range(0, 40, 2)),
        *((n, [7.0 - n % 7 // 6]) for n in range(1, 40, 2)),
    ],
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_what_came_in_an_awkward_order_ends_as_one_pass_does(frames, cut):
    """Windows count candles that exist, ties keep what stood before, history comes later: the same tables (law 5)."""
    final: dict[int, float] = {}
    for first, closes in cut:
        arrive(frames, "CUT", first, closes)
        final |= {first + n: close for n, close in enumerate(closes)}
    store_minutes(frames, "ONE", pl.concat([candle_minutes(n, [final[n]]) for n in sorted(final)]))
    SMALL.derive_minutes(frames, "ONE", [span_of(min(final), max(final) - min(final) + 1)], now=LATER)
    assert differences(outcome(frames, "CUT"), outcome(frames, "ONE")) == {}


@pytest.mark.parametrize("label", ["5m", "37m", "148m", "1d", "1w", "1M", "40d"])
def test_a_month_reads_its_own_minutes_alone(frames, label):
    """Deriving a month gives the same where nothing is stored outside of [floor(start), end) (law 3)."""
    interval, month = parse_interval(label), month_range(datetime(2021, 2, 1, tzinfo=UTC))
    around = TimeRange(month.start - timedelta(days=50), month.end + timedelta(days=3))
    minutes = made_minutes(around, Random(1), n_gaps=30).gather_every(3)
    owned = candles_closed_in(month, interval)
    reach = TimeRange(interval.floor(month.start), month.end)
    store_minutes(frames, "ALL", minutes)
    store_minutes(frames, "OWN", minutes.filter(pl.col("time").is_between(reach.start, reach.end, closed="left")))
    for symbol in ("ALL", "OWN"):
        derive_candles(frames, symbol, {interval: [owned] if owned else []})
    derived = outcome(frames, "ALL")
    assert differences(derived, outcome(frames, "OWN")) == {}
    closes = [interval.close_of(time) for time in derived["candles"]["time"]]
    assert all(month.start < close <= month.end for close in closes)
    assert closes or owned is None


@pytest.mark.parametrize("label", ["3m", "37m", "148m", "1d", "3d"])
def test_postgresql_makes_the_same_candles(frames, label):
    """An independent resampling in SQL, by `date_bin` from the epoch, agrees on every candle (law 4)."""
    interval = parse_interval(label)
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(2), n_gaps=15))
    derive_candles(frames, "BTC", {interval: [interval.cover(SPAN)]})
    sql = f"""
      WITH binned AS (
        SELECT date_bin('{interval.minutes} minutes', time, timestamptz 'epoch') AS candle, *
        FROM candles WHERE symbol = 'BTC' AND interval = '1m')
      SELECT candle AS time,
             coalesce((array_agg(open ORDER BY time) FILTER (WHERE volume > 0))[1], (array_agg(open ORDER BY time))[1])
               AS open,
             max(high) AS high, min(low) AS low, (array_agg(close ORDER BY time DESC))[1] AS close,
             sum(volume ORDER BY time) AS volume, sum(trades) AS trades, count(*) AS minutes
      FROM binned GROUP BY candle ORDER BY candle"""
    stored = "SELECT time, open, high, low, close, volume, trades, minutes FROM candles WHERE interval = $1 ORDER BY 1"
    theirs, ours = query(frames, sql), query(frames, stored, label)
    assert ours.rows() == theirs.rows()
    assert ours.height > 1


def test_148m_is_exactly_four_37m(frames):
    """Prices and minutes of the long candle are those of its four short ones."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(3), n_gaps=5))
    Pipeline(periods={}).derive_minutes(frames, "BTC", [SPAN], now=LATER)
    four = """SELECT date_bin('148 minutes', time, timestamptz 'epoch') AS time, max(high), min(low), sum(minutes),
                     (array_agg(close ORDER BY time DESC))[1] AS close, sum(trades) AS trades
              FROM candles WHERE interval = '37m' GROUP BY 1 ORDER BY 1"""
    long = "SELECT time, high, low, minutes, close, trades FROM candles WHERE interval = '148m' ORDER BY 1"
    assert query(frames, four).rows() == query(frames, long).rows()


def test_twice_is_once(frames):
    """A repeated run writes no row: counts, revisions and dates stay (law 9)."""
    pipeline = Pipeline()
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(4), n_gaps=20))
    assert pipeline.derive_minutes(frames, "BTC", [SPAN], now=LATER) > 0
    before = written(frames, "BTC")
    assert before["data_quality"].height > 0
    assert pipeline.derive_minutes(frames, "BTC", [SPAN], now=LATER) == 0
    later = TimeRange(START + timedelta(days=2), SPAN.end)
    assert pipeline.derive_minutes(frames, "BTC", [later], now=LATER + timedelta(days=1)) == 0
    assert differences(written(frames, "BTC"), before) == {}


def test_runs_at_the_same_time_write_once(frames, database_url):
    """Runs over the same spans wait for each other: together they write what one would."""
    pipeline = Pipeline(intervals=[parse_interval("37m")])
    minutes = made_minutes(SPAN, Random(5), n_gaps=5)
    for symbol in ("BTC", "ONE"):
        store_minutes(frames, symbol, minutes)

    def run(_: int) -> int:
        with open_frames(database_url) as own:
            return pipeline.derive_minutes(own, "BTC", [SPAN], now=LATER)

    with ThreadPoolExecutor(3) as pool:
        n_written = sum(pool.map(run, range(3)))
    assert n_written == pipeline.derive_minutes(frames, "ONE", [SPAN], now=LATER)
    assert differences(outcome(frames, "BTC"), outcome(frames, "ONE")) == {}


def test_a_run_that_waits_reads_what_is_there_afterwards(frames, database_url):
    """Who holds the symbol goes first; the other reads its minutes then, so old ones cannot overwrite new ones."""
    store_minutes(frames, "BTC", candle_minutes(0, [7.0]))

    def run() -> int:
        with open_frames(database_url) as own:
            return derive_candles(own, "BTC", {THREE: [span_of(0, 1)]})[THREE].n_written

    waiting = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""
    with ThreadPoolExecutor(1) as pool, open_frames(database_url) as holder:
        with holder.transaction():
            holder.read("lock_symbol", "BTC")
            done = pool.submit(run)
            while not query(frames, waiting).item():
                assert not done.done(), "the run did not wait"
            store_minutes(frames, "BTC", candle_minutes(0, [9.0]))
        assert done.result(timeout=60) == 1
    assert outcome(frames, "BTC")["candles"]["close"].to_list() == [9.0]


def n_changed(frames: Frames, before: dict[str, pl.DataFrame]) -> dict[str, int]:
    """Return how many rows of each table are not as they were."""
    return {
        name: rows.join(before[name], on=rows.columns, how="anti", nulls_equal=True).height
        for name, rows in written(frames, "BTC").items()
    }


def test_a_corrected_high_touches_its_candles_alone(frames):
    """One candle of each interval, and nothing that rests on closes (law 10)."""
    pipeline = Pipeline()
    minutes = made_minutes(SPAN, Random(6), n_gaps=0)
    store_minutes(frames, "BTC", minutes)
    pipeline.derive_minutes(frames, "BTC", [SPAN], now=LATER)
    before = written(frames, "BTC")
    row = minutes.row(4000, named=True)
    touched = TimeRange(row["time"], row["time"] + MINUTE)
    store_minutes(frames, "BTC", minutes_frame([row | {"high": 500.0}]))
    assert pipeline.derive_minutes(frames, "BTC", [touched], now=LATER) == len(pipeline.intervals)
    changed = n_changed(frames, before)
    assert changed == {"candles": 1 + len(pipeline.intervals), "indicators": 0, "decisions": 0, "data_quality": 0}


def test_a_corrected_close_reaches_what_looks_back_at_it(frames):
    """One candle; the means of three candles; the decisions that differ. What was said first stays beside (law 10)."""
    closes = [10.0 + n for n in range(30)]
    arrive(frames, "BTC", 0, closes)
    before, said = written(frames, "BTC"), decisions(frames, "BTC")
    assert {revision for _, revision, *_ in said} == {0}
    # Below its mean instead of above: long, short there, and long again.
    arrive(frames, "BTC", 20, [15.0])
    assert n_changed(frames, before)["candles"] == 3 + 1
    assert n_changed(frames, before)["indicators"] == 3
    now = decisions(frames, "BTC")
    assert set(said) <= set(now)
    time = [START + 3 * n * MINUTE for n in range(30)]
    assert [word for word in now if word not in set(said)] == [
        (time[20], 1, 0, "CLOSE_LONG", -1.0),
        (time[20], 1, 1, "OPEN_SHORT", -1.0),
        (time[21], 1, 0, "CLOSE_SHORT", 1.0),
        (time[21], 1, 1, "OPEN_LONG", 1.0),
        (time[22], 1, 0, "HOLD", 1.0),
    ]
    # Corrected back: the first word again, as a word of its own.
    arrive(frames, "BTC", 20, [30.0])
    newest = decisions(frames, "BTC", "time, revision, signal")
    assert [word for word in newest if word[1] == 2] == [(time[n], 2, "HOLD") for n in (20, 21, 22)]


def decided(frames: Frames, start: datetime) -> list[int]:
    """Return the hours that were decided on."""
    rows = query(frames, "SELECT DISTINCT time FROM decisions ORDER BY time")
    return [(time - start) // timedelta(hours=1) for (time,) in rows.rows()]


def test_a_decision_waits_for_minutes_that_may_still_come(frames):
    """A candle that misses minutes waits, and is decided on when they come or the time is over (law 4)."""
    interval = parse_interval("1h")
    pipeline = Pipeline(intervals=[interval], periods={"1h": [2]})
    start = interval.floor(START)
    close = start + timedelta(hours=4)

    def decide(now: datetime) -> list[int]:
        pipeline.derive_minutes(frames, "BTC", [TimeRange(start, now)], now=now)
        return decided(frames, start)

    store_minutes(frames, "BTC", minutes_frame([minute(n, start, price=100 + n) for n in range(239)]))
    assert decide(close) == [1, 2]
    assert decide(close + RULE.wait - timedelta(microseconds=1)) == [1, 2]
    assert decide(close + RULE.wait) == [1, 2, 3]
    snapshot = query(frames, "SELECT indicator_snapshot ->> 'minutes' FROM decisions ORDER BY time DESC LIMIT 1").item()
    assert snapshot == "59"
    store_minutes(frames, "BTC", minutes_frame([minute(239, start, price=500)]))
    decide(close + timedelta(hours=1))
    words = "SELECT revision, indicator_snapshot ->> 'minutes' FROM decisions WHERE time = $1 ORDER BY 1"
    assert query(frames, words, start + timedelta(hours=3)).rows() == [(0, "59"), (1, "60")]


def test_a_skipped_candle_is_a_finding_until_it_is_decided_on(frames):
    """Below the completeness nothing is said, exposure is kept, and a finding stands until minutes come (law 4)."""
    interval = parse_interval("1h")
    pipeline = Pipeline(intervals=[interval], periods={"1h": [2]})
    start = interval.floor(START)
    # Of the third hour 56 minutes are there: one less than 95 %.
    minutes = minutes_frame([minute(n, start, price=100 + n) for n in range(300) if not 130 <= n < 134])
    whole = [TimeRange(start, start + timedelta(hours=5))]
    store_minutes(frames, "BTC", minutes)
    pipeline.derive_minutes(frames, "BTC", whole, now=LATER)
    assert decided(frames, start) == [1, 3, 4]
    finding = "SELECT start_time, end_time, severity, interval, resolved_at FROM data_quality"
    third = TimeRange(start + timedelta(hours=2), start + timedelta(hours=3))
    assert query(frames, finding).rows() == [(third.start, third.end, "warning", "1h", None)]
    pipeline.derive_minutes(frames, "BTC", whole, now=LATER)
    assert query(frames, finding).height == 1
    # The 57th minute is 95 % exactly: enough.
    store_minutes(frames, "BTC", minutes_frame([minute(130, start, price=230)]))
    pipeline.derive_minutes(frames, "BTC", [third], now=LATER)
    assert decided(frames, start) == [1, 2, 3, 4]
    assert query(frames, finding)["resolved_at"].null_count() == 0


def test_minutes_without_trades_are_there(frames):
    """They count, also where they are told of later; the snapshot keeps what is stored and tells of them (law 4)."""
    interval = parse_interval("1h")
    pipeline = Pipeline(intervals=[interval], periods={"1h": [2]})
    start = interval.floor(START)
    # The third hour has twenty minutes, the fourth none, and nobody traded in the others.
    rows = [minute(n, start, price=100 + n) for n in range(360) if n < 140 or n >= 240]
    quiet = TimeRange(start + 140 * MINUTE, start + 240 * MINUTE)
    whole = [TimeRange(start, start + timedelta(hours=6))]
    store_minutes(frames, "BTC", minutes_frame(rows))
    pipeline.derive_minutes(frames, "BTC", whole, now=LATER)
    assert decided(frames, start) == [1, 4, 5]
    note_no_trade(frames, "BTC", [quiet])
    pipeline.derive_minutes(frames, "BTC", [quiet], now=LATER)
    assert decided(frames, start) == [1, 2, 4, 5]
    seen = "SELECT indicator_snapshot -> 'minutes' AS m, indicator_snapshot -> 'no_trade_minutes' AS n FROM decisions"
    assert query(frames, f"{seen} WHERE time = $1", start + timedelta(hours=2)).rows() == [("20", "40")]
    assert query(frames, "SELECT count(*) FROM data_quality WHERE kind = 'gap' AND resolved_at IS NULL").item() == 0
    store_minutes(frames, "ONE", minutes_frame(rows))
    copy_no_trade(frames, "BTC", "ONE")
    pipeline.derive_minutes(frames, "ONE", whole, now=LATER)
    assert differences(outcome(frames, "BTC"), outcome(frames, "ONE")) == {}


def test_a_decision_names_the_data_it_saw(frames):
    """The newest write among its candle and those that it looks back at; the same word again keeps its own."""
    arrive(frames, "BTC", 0, [10.0 + n for n in range(9)])
    revisions = "SELECT time, revision, data_revision FROM decisions WHERE seq = 0 ORDER BY time, revision"
    first = query(frames, revisions)
    written_at = "SELECT time, ingested_at FROM candles WHERE interval = '3m' ORDER BY time"
    assert set(first["data_revision"]) == set(query(frames, written_at)["ingested_at"])
    arrive(frames, "BTC", 4, [14.5])
    corrected = query(frames, f"SELECT ingested_at FROM ({written_at}) AS written WHERE time = $1", span_of(4, 1).start)
    after = query(frames, revisions)
    new = after.join(first, on=after.columns, how="anti")
    assert after.height == first.height + new.height
    assert new["time"].to_list() == [span_of(n, 1).start for n in (4, 5, 6)]
    assert new["data_revision"].to_list() == [corrected.item()] * 3
    # Another high: the candle is written anew, and the words stay as they were said.
    store_minutes(frames, "BTC", minutes_frame([minute(3 * 7, START, price=17.0) | {"high": 99.0}]))
    assert SMALL.derive_minutes(frames, "BTC", [span_of(7, 1)], now=LATER) == 1
    assert query(frames, revisions).equals(after)


def test_a_range_without_minutes_writes_nothing(frames):
    """Nothing is made of nothing, whatever was asked for."""
    assert derive_candles(frames, "BTC", {THREE: [span_of(0, 900)]}) == {THREE: Written()}


@pytest.mark.parametrize("days", [1, 40, 4000])
def test_neighbours_are_found_however_far_they_are(frames, days):
    """Look-backs count candles that exist, on both sides of an absence of any length."""
    apart = 480 * days
    store_minutes(frames, "BTC", pl.concat([candle_minutes(0, [1.0, 2.0]), candle_minutes(apart, [3.0, 4.0])]))
    derive_candles(frames, "BTC", {THREE: [span_of(0, apart + 2)]})

    def closes(first: int, *, before: int, after: int, now: datetime = LATER) -> list[float]:
        found = read_around(frames, "BTC", THREE, span_of(first, 1), before=before, after=after, now=now)
        return found["close"].to_list()

    assert closes(apart, before=2, after=1) == [1.0, 2.0, 3.0, 4.0]
    assert closes(1, before=0, after=1) == [2.0, 3.0]
    assert closes(1, before=9, after=9, now=span_of(1, 1).end) == [1.0, 2.0] + [3.0, 4.0] * (days == 1)


def test_a_stricter_rule_ends(frames):
    """Where the newest decision stands on a candle that would be skipped today, a correction still comes to an end."""
    strategy, by = load_strategy("ma", {"period": 3}), Provenance(run_id="test", now=LATER)

    def decide(span: TimeRange, min_completeness: float) -> int:
        rule = Completeness(min_completeness=min_completeness, wait=timedelta(0))
        derive_candles(frames, "BTC", {THREE: [span]})
        return derive_decisions(frames, "BTC", THREE, [span], strategy, rule=rule, by=by).n_written

    store_minutes(frames, "BTC", pl.concat([candle_minutes(0, FLAT * 30), candle_minutes(30, FLAT)[:2]]))
    assert decide(span_of(0, 31), 0.5) == 29
    store_minutes(frames, "BTC", candle_minutes(20, [8.0]))
    assert decide(span_of(20, 1), 0.95) > 0


DYING = """
import os, sys
from datetime import UTC, datetime
from btc_store.frames import Frames, open_frames
from tests.integration.test_derive import KILLED, LATER, SPAN

class Dying(Frames):
    n_left = int(sys.argv[2])

    def run(self, name, *values, **tables):
        n_rows = super().run(name, *values, **tables)
        Dying.n_left -= 1
        if Dying.n_left == 0:
            os._exit(9)
        return n_rows

with open_frames(sys.argv[1]) as frames:
    KILLED.derive_minutes(Dying(frames._connection), "BTC", [SPAN], now=LATER)
"""
KILLED = Pipeline(intervals=[parse_interval("37m"), parse_interval("148m")], periods={"37m": [2, 9], "148m": [3]})


class CutOff(Frames):
    """A connection that the server ends after so many statements."""

    def __init__(self, frames: Frames, killer: Frames, *, after: int) -> None:
        super().__init__(frames._connection)
        self.killer, self.n_left = killer, after

    def run(self, name: str, *values, **tables) -> int:
        """Execute a statement that writes, then perhaps lose the server."""
        n_rows = super().run(name, *values, **tables)
        self.n_left -= 1
        if self.n_left == 0:
            pid = query(self, "SELECT pg_backend_pid()").item()
            query(self.killer, "SELECT pg_terminate_backend($1::int, 5000)", pid)
        return n_rows


def check_after_death(frames: Frames, minutes: pl.DataFrame) -> None:
    """Assert that each transaction left all of its rows or none, and that a second run makes good."""
    store_minutes(frames, "ONE", minutes)
    KILLED.derive_minutes(frames, "ONE", [SPAN], now=LATER)
    left, whole = outcome(frames, "BTC"), outcome(frames, "ONE")
    transactions = {"candles": [], "indicators": ["interval"], "decisions": ["interval", "strategy"]}
    for name, keys in transactions.items():
        groups = left[name].partition_by(keys, as_dict=True) if keys else {(): left[name]}
        full = whole[name].partition_by(keys, as_dict=True) if keys else {(): whole[name]}
        assert all(group.is_empty() or group.equals(full[key]) for key, group in groups.items())
    KILLED.derive_minutes(frames, "BTC", [SPAN], now=LATER)
    assert differences(outcome(frames, "BTC"), whole) == {}


# 1 and 2 fall into the candles, 3 into indicators, 4 to 6 into a strategy's findings and decisions.
@pytest.mark.parametrize("after", [2, 6])
def test_a_process_that_dies_leaves_whole_transactions(frames, database_url, after):
    """A run that is killed half way leaves the old or the new rows, and the next ends in the same tables (law 9)."""
    minutes = made_minutes(SPAN, Random(7), n_gaps=20)
    store_minutes(frames, "BTC", minutes)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", DYING, database_url, str(after)], env=environment, check=False, timeout=120
    )
    assert done.returncode == 9
    check_after_death(frames, minutes)


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5, 9])
def test_a_lost_server_leaves_whole_transactions(frames, database_url, after):
    """A connection that ends half way is an error of ours, and leaves the old or the new rows."""
    minutes = made_minutes(SPAN, Random(7), n_gaps=20)
    store_minutes(frames, "BTC", minutes)
    with pytest.raises(DatabaseError), open_frames(database_url) as own:
        KILLED.derive_minutes(CutOff(own, frames, after=after), "BTC", [SPAN], now=LATER)
    check_after_death(frames, minutes)
