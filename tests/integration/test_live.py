"""The live lane on the real server: what a look derives, leaves and remembers, alone and beside others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from threading import Barrier

import polars as pl
import pytest

from benchmarks.one_pass import differences, outcome
from btc_core.errors import SymbolError
from btc_core.gaps import gaps_between
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import Frames, open_frames
from btc_store.live_state import see_lane
from btc_store.outbox import read_outbox
from live.plan import plan_of
from live.work import REACH, look
from tests.conftest import SEEDS
from tests.derivation import (
    copy_no_trade,
    heal_minutes,
    made_minutes,
    minute,
    minutes_frame,
    note_no_trade,
    put_minutes,
    query,
    store_minutes,
    written,
)
from tests.live_lane import between, end_state, one_pass, posted, settle, small_config

# The open of a candle of 3m and of 37m, three days before the end of a month.
START = parse_interval("111m").floor(datetime(2021, 1, 29, tzinfo=UTC))
SPAN = TimeRange(START, START + timedelta(days=4, hours=4))
# Two days and a half of it, in which the month ends.
TURN = TimeRange(START + 20 * timedelta(minutes=111), SPAN.end)
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


@pytest.mark.parametrize("seed", SEEDS)
def test_a_market_that_comes_in_bit_by_bit_ends_as_one_pass_does(frames, seed):
    """In steps of any length, with gaps, late and corrected minutes, and with words about minutes without trades.

    Some of those come before the row that refutes them. In the end the tables are those of one pass (law 5).
    """
    chance = Random(seed)
    minutes = made_minutes(TURN, chance, n_gaps=25)
    late = minutes.sample(fraction=0.02, seed=seed)
    wrong = minutes.sample(n=20, seed=seed + 1).with_columns(close=pl.col("low"))
    told = pl.concat([wrong, minutes.join(wrong, on="time", how="anti").join(late, on="time", how="anti")]).sort("time")
    quiet = {
        gap: gap.end + chance.choice([1, 3, 30, 3000]) * MINUTE
        for gap in gaps_between(told["time"])
        if chance.random() < 0.5
    }
    now = TURN.start
    while now < TURN.end:
        end = now + chance.choice([1, 1, 1, 2, 5, 37, 600]) * MINUTE
        store_minutes(frames, "BTC", between(told, now, end))
        note_no_trade(frames, "BTC", [gap for gap, at in quiet.items() if now < at <= end])
        now = end
        settle(frames, PLAN, now=now)
    for part in (late, minutes.join(wrong, on="time", how="semi")):
        for some in part.sample(fraction=1.0, shuffle=True, seed=seed).iter_slices(7):
            heal_minutes(frames, "BTC", some.sort("time"))
            settle(frames, PLAN, now=now)
    note_no_trade(frames, "BTC", [gap for gap, at in quiet.items() if at > now])
    settle(frames, PLAN, now=now)
    now += timedelta(days=40)
    settle(frames, PLAN, now=now)
    store_minutes(frames, "ONE", minutes)
    copy_no_trade(frames, "BTC", "ONE")
    one_pass(frames, PLAN, "ONE", [TURN], now=now)
    assert differences(end_state(frames, "BTC"), end_state(frames, "ONE")) == {}
    said = outcome(frames, "BTC")["decisions"]
    assert said.height > 1000
    assert said["indicator_snapshot"].str.contains("no_trade_minutes").sum() > 10


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


def test_minutes_known_to_be_without_trades_are_not_missing(frames):
    """A skipped candle is decided on once it is known why it lacks minutes, by itself, and nothing else is derived."""
    hour = parse_interval("1h")
    start = hour.floor(START)
    rows = [minute(n, start, price=100 + n) for n in range(360) if not 190 <= n < 200]
    store_minutes(frames, "BTC", minutes_frame(rows))
    settle(frames, PLAN, now=start + timedelta(hours=6))
    decided = "SELECT time FROM decisions WHERE interval = '1h' AND revision = 0 ORDER BY 1"
    skipped = "SELECT start_time FROM data_quality WHERE interval = '1h' AND kind = 'gap' AND resolved_at IS NULL"
    fourth = start + timedelta(hours=3)
    assert fourth not in query(frames, decided)["time"]
    assert query(frames, skipped)["start_time"].to_list() == [fourth]
    before, n_reports = written(frames, "BTC"), len(reports(frames))
    note_no_trade(frames, "BTC", [TimeRange(start + 190 * MINUTE, start + 200 * MINUTE)])
    assert [done.symbol for done in settle(frames, PLAN, now=start + timedelta(hours=6))] == ["BTC"]
    assert fourth in query(frames, decided)["time"]
    assert query(frames, skipped).is_empty()
    after = written(frames, "BTC")
    # Candles are as they were; the words that are new or other are on candles that lack minutes.
    assert differences({"candles": after["candles"]}, {"candles": before["candles"]}) == {}
    new = after["decisions"].join(before["decisions"], on=before["decisions"].columns, how="anti", nulls_equal=True)
    assert all("no_trade_minutes" in text for text in new["indicator_snapshot"].to_list())
    assert set(new["interval"]) == {"3m", "37m", "1h"}
    told = reports(frames)[n_reports:]
    assert ("materialization", "decisions/ma", "2021-01-01|BTC") in told
    with frames.transaction():
        posted = [each.report for each in read_outbox(frames, after=0, most=100)][n_reports:]
    of = {report.asset_key: report for report in posted if report.kind == "materialization"}
    # Three of 3m, of which two have no minute at all; one of 37m.
    assert of["candles/3m"].metadata["rows derived"] == 2
    assert of["candles/37m"].metadata["rows derived"] == 1
    assert settle(frames, PLAN, now=start + timedelta(hours=6)) == []


def test_the_reports_name_what_was_derived(frames):
    """Minutes, candles, indicators, decisions with the checks of every run; each month's own, with what was done."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(4), n_gaps=0))
    settle(frames, PLAN, now=SPAN.end)
    january, february = "2021-01-01|BTC", "2021-02-01|BTC"
    told = reports(frames)
    # The week that ends with the month is the month's.
    assert ("materialization", "candles/1w", january) in told
    assert ("materialization", "candles/1w", february) not in told
    for partition in (january, february):
        for key in ("candles/1m", "candles/3m", "candles/1d", "indicators/37m", "decisions/ma", "decisions/ma44"):
            assert told.count(("materialization", key, partition)) == 1
    of = {(r.kind, r.asset_key, r.check_name, r.partition): r for r in posted(frames)}
    rows = of["materialization", "candles/1d", None, january].metadata["rows derived"]
    assert rows == len([row for row in outcome(frames, "BTC")["candles"].rows() if row[0] == "1d"]) - 1
    named = {(r.asset_key, r.check_name) for r in posted(frames) if r.kind == "check" and r.partition == february}
    candles = {(f"candles/{interval}", "sums") for interval in PLAN.intervals if interval.label not in ("1w", "1M")}
    minutes, guards = {("candles/1m", "gaps"), ("candles/1m", "ohlc")}, {("indicators/3m", "complete")}
    assert named == candles | minutes | guards | {("indicators/37m", "complete"), ("candles/148m", "four_37m")}
    assert all(report.passed for report in posted(frames) if report.kind == "check")
    # A result that comes before its materialisation would look as if it were of the one before.
    for key in {report.asset_key for report in posted(frames)}:
        kinds = [r.kind for r in posted(frames) if (r.asset_key, r.partition) == (key, january)]
        assert kinds == sorted(kinds, reverse=True)


def test_a_check_shows_which_minutes_are_missing(frames):
    """A candle that will not be whole is a warning, with a table; the gap is a finding until it heals."""
    rows = [minute(n, START) for n in range(111) if n != 40]
    now = START + timedelta(hours=5)
    store_minutes(frames, "BTC", minutes_frame(rows))
    settle(frames, PLAN, now=now)
    said = {(report.asset_key, report.check_name): report for report in posted(frames) if report.kind == "check"}
    complete, gaps = said["indicators/37m", "complete"], said["candles/1m", "gaps"]
    assert (complete.passed, complete.severity) == (False, "WARN")
    assert [record["minutes"] for record in complete.metadata["which"]] == [36]
    assert (gaps.passed, gaps.metadata["missing minutes"]) == (False, 1)
    found = "SELECT start_time FROM data_quality WHERE kind = 'gap' AND interval = '1m' AND resolved_at IS NULL"
    assert query(frames, found)["start_time"].to_list() == [START + 40 * MINUTE]
    store_minutes(frames, "BTC", minutes_frame([minute(40, START)]))
    settle(frames, PLAN, now=now)
    assert query(frames, found).is_empty()
    assert [report.passed for report in posted(frames) if report.check_name == "gaps"] == [False, True]


def test_decisions_do_not_wait_for_checks_and_no_check_is_lost(frames):
    """They are made by a later look, of the same lane or, where it died in between, of the next one."""
    store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(111) if n != 40]))
    now = START + timedelta(hours=5)
    assert look(frames, PLAN, now=now)
    assert outcome(frames, "BTC")["decisions"].height
    assert [report.asset_key for report in posted(frames) if report.kind == "check"] == []
    assert look(frames, PLAN, now=now) is None
    # Whoever asks what the lane has not done yet is told of it: the Dagster lane, if this one is dead for good.
    assert see_lane(frames).pending("BTC")["37m"][0][0] == START
    with pytest.raises(SymbolError):
        look(Failing(frames, after=1), PLAN, now=now, is_quiet=True)
    assert query(frames, "SELECT count(*) FROM data_quality WHERE interval = '1m'").item() == 0
    assert look(frames, PLAN, now=now, is_quiet=True)
    assert look(frames, PLAN, now=now, is_quiet=True) is None
    assert query(frames, "SELECT count(*) FROM data_quality WHERE interval = '1m'").item() == 1
    assert "37m" not in see_lane(frames).pending("BTC") or see_lane(frames).pending("BTC")["37m"] == []


class Failing(Frames):
    """A connection on which the n-th statement that writes fails."""

    def __init__(self, frames: Frames, *, after: int) -> None:
        super().__init__(frames._connection)
        self.n_left = after

    def run(self, name: str, *values, **tables) -> int:
        """Execute a statement that writes, then perhaps fail."""
        n_rows = super().run(name, *values, **tables)
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
        with pytest.raises((RuntimeError, SymbolError)):
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


def test_what_is_left_to_others_ends_between_minutes(frames):
    """A week before now lies within a minute: that one is ours, whole."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(7), n_gaps=0))
    now = SPAN.end - timedelta(days=2) + REACH
    settle(frames, PLAN, now=now + timedelta(seconds=31))
    assert see_lane(frames).left("BTC") == [TimeRange(SPAN.start, now - REACH)]


def test_symbols_are_worked_on_one_after_the_other(frames):
    """Each in a transaction of its own; one that is not configured is left alone."""
    for symbol in ("BTC", "ETH", "XRP"):
        store_minutes(frames, symbol, made_minutes(TimeRange(START, START + timedelta(hours=8)), Random(8), n_gaps=0))
    done = settle(frames, BOTH, now=START + timedelta(hours=8))
    assert [each.symbol for each in done] == ["BTC", "ETH"]
    assert outcome(frames, "XRP")["candles"].height == 0


def test_twenty_symbols_that_close_together_are_derived_each_for_itself(frames):
    """Twenty at the same minute: a look each, none twice, and each ends as if it were alone (issue 4, part 9)."""
    names = [f"S{n:02}" for n in range(20)]
    plan = plan_of(small_config(*names))
    span = TimeRange(START, START + timedelta(minutes=111))
    minutes = {name: made_minutes(span, Random(n), n_gaps=0) for n, name in enumerate(names)}
    for name in names:
        store_minutes(frames, name, between(minutes[name], span.start, span.end - MINUTE))
    settle(frames, plan, now=span.end - MINUTE)
    n_reports = len(posted(frames))
    with frames.transaction():
        for name in names:
            put_minutes(frames, name, between(minutes[name], span.end - MINUTE, span.end))
    assert sorted(done.symbol for done in settle(frames, plan, now=span.end)) == names
    decided = [
        r.partition for r in posted(frames)[n_reports:] if (r.asset_key, r.kind) == ("decisions/ma", "materialization")
    ]
    assert sorted(decided) == [f"2021-01-01|{name}" for name in names]
    # When nothing is waited for any more.
    later = span.end + timedelta(hours=1)
    settle(frames, plan, now=later)
    for name in names:
        other = f"{name} alone"
        store_minutes(frames, other, minutes[name])
        one_pass(frames, plan, other, [span], now=later)
        assert differences(end_state(frames, name), end_state(frames, other)) == {}
    assert outcome(frames, "S00")["decisions"].height > 30


def test_a_look_without_news_writes_its_time_alone(frames):
    """The memory is some kilobytes, and a look comes every few seconds."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(9), n_gaps=0))
    settle(frames, PLAN, now=SPAN.end)
    updates = "SELECT state::text, looked_at FROM live_state"
    state, looked_at = query(frames, updates).row(0)
    assert look(frames, PLAN, now=SPAN.end) is None
    again, later = query(frames, updates).row(0)
    assert (again, later > looked_at) == (state, True)


def test_a_symbol_that_cannot_be_worked_on_is_named_and_nothing_of_the_look_is_left(frames):
    """Neither in deriving nor in checking does it stop the others, once they are told which one it is."""
    end = START + timedelta(hours=2)
    minutes = made_minutes(TimeRange(START, end), Random(11), n_gaps=0)
    absurd = minutes.with_columns(volume=pl.when(pl.col("time") < START + 2 * MINUTE).then(1.5e308).otherwise("volume"))
    store_minutes(frames, "BTC", absurd)
    store_minutes(frames, "ETH", minutes)
    with pytest.raises(SymbolError, match="BTC cannot be worked on: DataError: the volumes of the minutes") as caught:
        look(frames, BOTH, now=end)
    assert caught.value.symbol == "BTC"
    assert look(frames, BOTH, now=end, locked={"BTC"}).symbol == "ETH"
    assert look(frames, BOTH, now=end, locked={"BTC"}) is None
    assert outcome(frames, "ETH")["decisions"].height > 0
    assert look(frames, BOTH, now=end, is_quiet=True, locked={"BTC"}).symbol == "ETH"
    with frames.transaction():
        query(frames, "UPDATE paper_accounts SET state = '{}' RETURNING 1")
    corrected = minutes.head(3).with_columns(volume=pl.lit(7.0))
    store_minutes(frames, "BTC", corrected)
    store_minutes(frames, "ETH", corrected)
    assert [look(frames, BOTH, now=end).symbol for _ in range(2)] == ["BTC", "ETH"]
    with pytest.raises(SymbolError, match="ETH"):
        look(frames, BOTH, now=end, is_quiet=True, locked={"BTC"})
    assert look(frames, BOTH, now=end, is_quiet=True, locked={"ETH"}).symbol == "BTC"
