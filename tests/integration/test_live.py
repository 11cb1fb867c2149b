"""The live lane on the real server: what a look derives, leaves and remembers, alone and beside others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from threading import Barrier

import polars as pl
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import Frames, open_frames
from btc_store.live_state import see_lane
from btc_store.outbox import read_outbox
from live.plan import plan_of
from live.work import REACH, look
from tests.derivation import differences, made_minutes, minute, minutes_frame, outcome, query, store_minutes, written
from tests.live_lane import between, end_state, one_pass, settle, small_config

# The open of a candle of 3m and of 37m, three days before the end of a month.
START = parse_interval("111m").floor(datetime(2021, 1, 29, tzinfo=UTC))
SPAN = TimeRange(START, START + timedelta(days=4, hours=4))
PLAN = plan_of(small_config("BTC"))
BOTH = plan_of(small_config("BTC", "ETH"))


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def reports(frames: Frames) -> list[tuple[str, str, str]]:
    """Return what was reported, in order: kind, asset, partition."""
    with frames.transaction():
        return [
            (posted.report.kind, posted.report.asset_key, posted.report.partition)
            for posted in read_outbox(frames, after=0, most=10_000)
        ]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_market_that_comes_in_bit_by_bit_ends_as_one_pass_does(frames, seed):
    """In steps of any length, with gaps, late and corrected minutes: the tables of one pass over the end (law 5)."""
    chance = Random(seed)
    minutes = made_minutes(SPAN, chance, n_gaps=25)
    late = minutes.sample(fraction=0.02, seed=seed)
    wrong = minutes.sample(n=20, seed=seed + 1).with_columns(close=pl.col("low"))
    told = pl.concat([wrong, minutes.join(wrong, on="time", how="anti").join(late, on="time", how="anti")]).sort("time")
    now = SPAN.start + timedelta(hours=6)
    store_minutes(frames, "BTC", between(told, SPAN.start, now))
    while now < SPAN.end:
        end = now + chance.choice([1, 1, 1, 2, 5, 37, 600]) * MINUTE
        store_minutes(frames, "BTC", between(told, now, end))
        now = end
        settle(frames, PLAN, now=now)
    for part in (late, minutes.join(wrong, on="time", how="semi")):
        for some in part.sample(fraction=1.0, shuffle=True, seed=seed).iter_slices(7):
            store_minutes(frames, "BTC", some.sort("time"))
            settle(frames, PLAN, now=now)
    now += timedelta(days=40)
    settle(frames, PLAN, now=now)
    store_minutes(frames, "ONE", minutes)
    one_pass(frames, PLAN, "ONE", [SPAN], now=now)
    assert differences(end_state(frames, "BTC"), end_state(frames, "ONE")) == {}
    assert outcome(frames, "BTC")["decisions"].height > 1000


def test_a_lane_that_was_down_catches_up(frames):
    """Days of minutes at once; the first look finds them all, a second one nothing."""
    minutes = made_minutes(SPAN, Random(4), n_gaps=5)
    store_minutes(frames, "BTC", minutes)
    assert [done.symbol for done in settle(frames, PLAN, now=SPAN.end)] == ["BTC"]
    before = written(frames, "BTC"), reports(frames)
    assert settle(frames, PLAN, now=SPAN.end) == []
    assert differences(written(frames, "BTC"), before[0]) == {}
    assert reports(frames) == before[1]
    store_minutes(frames, "ONE", minutes)
    one_pass(frames, PLAN, "ONE", [SPAN], now=SPAN.end)
    assert differences(end_state(frames, "BTC"), end_state(frames, "ONE")) == {}


def test_a_candle_waits_for_minutes_that_may_still_come(frames):
    """It is derived and decided on when they come, or ten minutes after its close (law 4)."""
    hour = parse_interval("1h")
    start = hour.floor(START)
    rows = [minute(n, start, price=100 + n) for n in range(240)]

    def decided(now: datetime) -> list[int]:
        settle(frames, PLAN, now=now)
        times = query(
            frames, "SELECT DISTINCT time FROM decisions WHERE interval = '1h' AND strategy = 'ma' ORDER BY 1"
        )
        return [(time - start) // timedelta(hours=1) for (time,) in times.rows()]

    store_minutes(frames, "BTC", minutes_frame(rows[:230] + rows[231:]))
    close = start + timedelta(hours=4)
    assert decided(close) == [2]
    assert decided(close + timedelta(minutes=9, seconds=59)) == [2]
    assert decided(close + timedelta(minutes=10)) == [2, 3]
    store_minutes(frames, "BTC", minutes_frame([rows[230] | {"close": 1.0, "low": 1.0}]))
    assert decided(close + timedelta(minutes=11)) == [2, 3]
    words = "SELECT DISTINCT revision, run_id FROM decisions WHERE interval = '1h' AND time = $1 ORDER BY 1"
    # The same word with another snapshot is another revision: the first one stays.
    assert query(frames, words, start + timedelta(hours=3)).rows() == [(0, "live"), (1, "live")]


def test_the_reports_name_what_was_derived(frames):
    """Minutes, candles, indicators with their check, decisions; each month's own, with what was done."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(4), n_gaps=0))
    settle(frames, PLAN, now=SPAN.end)
    january, february = "2021-01-01|BTC", "2021-02-01|BTC"
    told = reports(frames)
    assert ("materialization", "candles/1m", january) in told
    # The week that ends with the month is the month's.
    assert ("materialization", "candles/1w", january) in told
    assert ("materialization", "candles/1w", february) not in told
    for partition in (january, february):
        for key in ("candles/3m", "candles/1d", "indicators/37m", "decisions/ma", "decisions/ma44"):
            assert told.count(("materialization", key, partition)) == 1
        assert told.count(("check", "indicators/37m", partition)) == 1
    with frames.transaction():
        posted = [each.report for each in read_outbox(frames, after=0, most=100)]
    of = {(report.kind, report.asset_key, report.partition): report for report in posted}
    rows = of["materialization", "candles/1d", january].metadata["dagster/partition_row_count"]
    assert rows == len([row for row in outcome(frames, "BTC")["candles"].rows() if row[0] == "1d"]) - 1
    assert of["check", "indicators/37m", january].passed


def test_a_check_shows_which_minutes_are_missing(frames):
    """A candle that will not be whole is a warning, with its minutes in a table."""
    rows = [minute(n, START) for n in range(111) if n != 40]
    store_minutes(frames, "BTC", minutes_frame(rows))
    settle(frames, PLAN, now=START + timedelta(hours=5))
    with frames.transaction():
        checks = [each.report for each in read_outbox(frames, after=0, most=100) if each.report.check_name]
    (check,) = [report for report in checks if report.asset_key == "indicators/37m"]
    assert (check.passed, check.severity) == (False, "WARN")
    assert [record["minutes"] for record in check.metadata["missing"]] == [36]


class Failing(Frames):
    """A connection on which the n-th statement that writes fails."""

    def __init__(self, frames: Frames, *, after: int) -> None:
        super().__init__(frames._connection)
        self.n_left = after

    def run(self, name: str, *values) -> int:
        """Execute a statement that writes, then perhaps fail."""
        n_rows = super().run(name, *values)
        self.n_left -= 1
        if self.n_left == 0:
            raise RuntimeError("the lane dies")
        return n_rows


@pytest.mark.parametrize("after", [1, 3, 9, 20, 10_000])
def test_rows_reports_and_memory_are_one_transaction(frames, after):
    """A look that dies half way leaves nothing, and the next one does it all (law 9)."""
    minutes = made_minutes(SPAN, Random(5), n_gaps=3)
    store_minutes(frames, "BTC", minutes)
    if after < 10_000:
        with pytest.raises(RuntimeError):
            look(Failing(frames, after=after), PLAN, now=SPAN.end)
        assert outcome(frames, "BTC")["candles"].height == 0
        assert reports(frames) == []
        assert see_lane(frames) is None
    settle(frames, PLAN, now=SPAN.end)
    n_once = len(reports(frames))
    store_minutes(frames, "ONE", minutes)
    one_pass(frames, PLAN, "ONE", [SPAN], now=SPAN.end)
    assert differences(end_state(frames, "BTC"), end_state(frames, "ONE")) == {}
    settle(frames, PLAN, now=SPAN.end)
    assert len(reports(frames)) == n_once


def test_two_lanes_and_a_run_give_one_answer(frames, database_url):
    """Whoever comes first derives; the others find it done: one word on each candle, one report (law 9)."""
    minutes = made_minutes(SPAN, Random(6), n_gaps=4)
    steps = [SPAN.start + n * timedelta(hours=8) for n in range(13)]
    ready = Barrier(4)

    def lane(_: int) -> int:
        with open_frames(database_url) as own:
            n_done = 0
            for now in steps[1:]:
                ready.wait(60)
                n_done += len(settle(own, PLAN, now=now))
                ready.wait(60)
        return n_done

    def run() -> None:
        with open_frames(database_url) as own:
            for now in steps[1:]:
                ready.wait(60)
                one_pass(own, PLAN, "BTC", [TimeRange(now - timedelta(hours=8), now)], now=now)
                ready.wait(60)

    with ThreadPoolExecutor(3) as pool:
        lanes = [pool.submit(lane, n) for n in range(2)]
        beside = pool.submit(run)
        for before, now in pairwise(steps):
            store_minutes(frames, "BTC", between(minutes, before, now))
            ready.wait(60)
            ready.wait(60)
        assert sum(each.result(60) for each in lanes) >= len(steps) - 1
        beside.result(60)
    store_minutes(frames, "ONE", between(minutes, SPAN.start, steps[-1]))
    one_pass(frames, PLAN, "ONE", [TimeRange(SPAN.start, steps[-1])], now=steps[-1])
    assert differences(end_state(frames, "BTC"), end_state(frames, "ONE")) == {}


def test_old_minutes_are_left_to_others(frames):
    """What was written long after its time is history: it is remembered as left, and nothing of it is derived."""
    minutes = made_minutes(SPAN, Random(7), n_gaps=0)
    now = SPAN.end - timedelta(days=2) + REACH
    store_minutes(frames, "BTC", minutes)
    settle(frames, PLAN, now=now)
    times = outcome(frames, "BTC")["candles"].filter(pl.col("interval") == "3m")["time"]
    assert times.min() >= now - REACH - 3 * MINUTE
    assert see_lane(frames).left("BTC") == [TimeRange(SPAN.start, now - REACH)]
    # Minutes that wait for the end of their month have been seen in time: they stay ours.
    month = [(now - REACH, SPAN.end)]
    assert [(pair[0], pair[1]) for pair in see_lane(frames).pending("BTC")["1M"]][-1][1] == month[0][1]


def test_symbols_are_worked_on_one_after_the_other(frames):
    """Each in a transaction of its own; one that is not configured is left alone."""
    for symbol in ("BTC", "ETH", "XRP"):
        store_minutes(frames, symbol, made_minutes(TimeRange(START, START + timedelta(hours=8)), Random(8), n_gaps=0))
    done = settle(frames, BOTH, now=START + timedelta(hours=8))
    assert [each.symbol for each in done] == ["BTC", "ETH"]
    assert outcome(frames, "XRP")["candles"].height == 0


def test_a_look_without_news_writes_its_time_alone(frames):
    """The memory is some kilobytes, and a look comes every few seconds."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(9), n_gaps=0))
    settle(frames, PLAN, now=SPAN.end)
    updates = "SELECT state::text, looked_at FROM live_state"
    state, looked_at = query(frames, updates).row(0)
    assert look(frames, PLAN, now=SPAN.end) is None
    again, later = query(frames, updates).row(0)
    assert (again, later > looked_at) == (state, True)
