"""Law 5: however the time line is cut into runs, the tables end the same as in one pass over all of it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.one_pass import differences, outcome
from btc_core.gaps import gaps_between
from btc_core.model.interval import Interval
from btc_core.model.timerange import MINUTE, TimeRange, subtract_ranges
from btc_core.partitions import candles_closed_in
from btc_core.resample import resample
from btc_store.changes import read_changes
from btc_store.frames import Frames, open_frames
from sensors.pending import Cursor, Due, Request, SymbolState, add_changes, closed_until, settle, take_due
from tests.derivation import (
    LATER,
    RULE,
    Pipeline,
    closed_spans,
    copy_no_trade,
    heal_minutes,
    made_minutes,
    note_no_trade,
    query,
    shared_minutes,
    store_minutes,
    written,
)
from tests.live_lane import end_state
from tests.property.strategies import intervals

# A month's end and a Monday lie in it.
SPAN = TimeRange(datetime(2021, 1, 30, 5, 11, tzinfo=UTC), datetime(2021, 2, 4, 17, 3, tzinfo=UTC))
PIPELINE = Pipeline()
_names = count(1)

# A database for each test, a symbol for each example.
DATABASE = settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def one_pass(frames: Frames, symbol: str, minutes: pl.DataFrame) -> None:
    """Store everything and derive it at once."""
    store_minutes(frames, symbol, minutes)
    PIPELINE.derive_minutes(frames, symbol, [SPAN], now=LATER)


def range_of(minutes: pl.DataFrame) -> TimeRange:
    """Return the range from the first to the last of some minutes."""
    return TimeRange(minutes["time"].min(), minutes["time"].max() + MINUTE)


def cut(minutes: pl.DataFrame, chance: random.Random, n: int) -> list[pl.DataFrame]:
    """Return so many pieces of a frame, in time order."""
    edges = sorted({0, minutes.height, *(chance.randrange(minutes.height) for _ in range(n - 1))})
    return [minutes[start:end] for start, end in pairwise(edges)]


def misread(minutes: pl.DataFrame, chance: random.Random) -> pl.DataFrame:
    """Return the minutes with another close, as they are before they are corrected."""
    return minutes.with_columns(close=pl.col("close") * 0 + chance.choice([96.0, 100.0, 104.0])).with_columns(
        low=pl.min_horizontal("low", "close"), high=pl.max_horizontal("high", "close")
    )


@DATABASE
@given(seed=st.integers(0, 2**32))
def test_batches_in_any_order_end_as_one_pass_does(frames, seed):
    """History in random pieces, shuffled, repeated, late or corrected: the same tables, to the bit."""
    chance, symbol = random.Random(seed), f"CUT{next(_names)}"
    minutes = made_minutes(SPAN, chance, n_gaps=20)
    pieces = cut(minutes, chance, 6)
    late = [piece[chance.randrange(piece.height) :][: chance.randrange(1, 50)] for piece in pieces if piece.height]
    early = [misread(piece, chance) if chance.random() < 0.3 else piece for piece in pieces]
    early = [piece.join(part, on="time", how="anti") for piece, part in zip(early, late, strict=True)]
    batches = [*early, *chance.sample(early, 2)]
    chance.shuffle(batches)
    # The true values come after all the others, again in any order.
    batches += chance.sample([*late, *pieces], len(late) + len(pieces))
    for batch in batches:
        if batch.height:
            store_minutes(frames, symbol, batch)
            PIPELINE.derive_minutes(frames, symbol, [range_of(batch)], now=LATER)

    one_pass(frames, f"{symbol}-ONE", minutes)
    assert differences(outcome(frames, symbol), outcome(frames, f"{symbol}-ONE")) == {}


@dataclass
class House:
    """The sensor ``new_candles`` and its runs over a clock, without Dagster.

    Attributes:
        break_at: Called before each step of a run; a true answer lets the run die there.
    """

    frames: Frames
    symbol: str
    break_at: Callable[[], bool] = lambda: False
    cursor: Cursor = field(default_factory=Cursor)
    real_now: datetime = datetime(2021, 1, 1, tzinfo=UTC)
    n_asked: int = 0

    @property
    def state(self) -> SymbolState:
        """What the symbol waits for."""
        return self.cursor.symbols.setdefault(self.symbol, SymbolState())

    def look(self, now: datetime) -> bool:
        """Do what one evaluation of the sensor does, and the run it asks for. Returns whether there was one."""
        self.real_now += timedelta(hours=1)
        changes = read_changes(self.frames, through=self.cursor.through, seen=self.cursor.seen)
        self.cursor.through, self.cursor.seen = changes.through, changes.seen
        labels = [interval.label for interval in PIPELINE.intervals]
        add_changes(self.state, changes.ranges.get(self.symbol, []), labels)
        due = take_due(self.state, {i: self.closed(i, now) for i in PIPELINE.intervals})
        if due is None:
            return False
        self.n_asked += 1
        self.state.request = Request("key", {k: [(s.start, s.end) for s in v] for k, v in due.touched.items()})
        settle(self.state, succeeded=self.run(due, now), now=self.real_now)
        return True

    def closed(self, interval: Interval, now: datetime) -> datetime:
        """Return the close of the interval's last candle that is ready."""
        return closed_until(
            interval,
            now=now,
            wait=RULE.wait,
            count=lambda m: int(self.frames.read("count_minutes", self.symbol, m.start, m.end).item()),
        )

    def run(self, due: Due, now: datetime) -> bool:
        """Do what a run does: each asset over all months. Returns whether it succeeded."""
        candles_only = Pipeline(intervals=PIPELINE.intervals, periods={})
        for month in due.months:
            if self.break_at():
                return False
            candles_only.derive(self.frames, self.symbol, self.spans(due, month, now), now=now)
        for month in due.months:
            for interval, spans in self.spans(due, month, now).items():
                if self.break_at():
                    return False
                PIPELINE.derive_opinions(self.frames, self.symbol, interval, spans, now=now)
        return True

    def spans(self, due: Due, month: TimeRange, now: datetime) -> dict[Interval, list[TimeRange]]:
        """Return what ``Partition.spans`` would: owned by the month, closed by now, and touched."""
        found = {}
        for interval in PIPELINE.intervals:
            owned = candles_closed_in(month, interval)
            each = closed_spans(interval, due.touched.get(interval.label, []), now=now)
            found[interval] = [part for span in each if owned and (part := span.clip(owned))]
        return found


@DATABASE
@given(seed=st.integers(0, 2**32), how_often_runs_die=st.sampled_from([0.0, 0.05]))
def test_the_sensor_over_a_clock_ends_as_one_pass_does(frames, seed, how_often_runs_die):
    """Live: minutes arrive as time goes on, some late, some wrong at first, and runs die half way: the same tables.

    Of some that are absent it is told, sooner or later, that nobody traded in them; a few of those come all the same.
    """
    chance, symbol = random.Random(seed), f"LIVE{next(_names)}"
    minutes = made_minutes(SPAN, chance, n_gaps=20, longest_gap=100)
    house = House(frames, symbol, break_at=lambda: chance.random() < how_often_runs_die)
    # Each minute arrives as a rule at its close, a few later by up to two days; a few are wrong at first.
    delay = [
        chance.choice([3, 12, 90, chance.randrange(3000)]) if chance.random() < 0.003 else 0 for _ in minutes["time"]
    ]
    arrivals = minutes.with_columns(at=pl.col("time") + pl.duration(minutes=pl.Series(delay)) + MINUTE)
    wrong = misread(minutes.sample(fraction=0.002, seed=chance.randrange(1000)), chance)
    first = pl.concat([arrivals.join(wrong, on="time", how="anti"), wrong.with_columns(at=pl.col("time") + MINUTE)])
    told = arrivals.filter(pl.col("at") <= pl.col("time") + MINUTE)["time"]
    quiet = {gap: gap.end + chance.choice([1, 5, 60, 2000]) * MINUTE for gap in gaps_between(told)}
    quiet = {gap: at for gap, at in quiet.items() if chance.random() < 0.5}
    now = SPAN.start
    while now < SPAN.end + timedelta(days=2):
        step = timedelta(minutes=chance.choice([1, 2, 37, 200, 1500, 3000]))
        fresh = first.filter(pl.col("at").is_between(now, now + step, closed="right")).drop("at")
        right = arrivals.join(wrong, on="time", how="semi").with_columns(pl.col("at") + timedelta(hours=5))
        fixed = right.filter(pl.col("at").is_between(now, now + step, closed="right")).drop("at")
        words = [gap for gap, at in quiet.items() if now < at <= now + step]
        now += step
        for batch in (fresh, fixed):
            if batch.height:
                heal_minutes(frames, symbol, batch)
                house.look(now)
        # What is stored meanwhile is not without trades.
        note_no_trade(frames, symbol, subtract_ranges(words, stored_minutes(frames, symbol)))
        house.look(now)
    house.break_at = lambda: False
    while house.look(LATER):
        pass

    copy_no_trade(frames, symbol, f"{symbol}-ONE")
    one_pass(frames, f"{symbol}-ONE", minutes)
    assert differences(end_state(frames, symbol), end_state(frames, f"{symbol}-ONE")) == {}


def stored_minutes(frames: Frames, symbol: str) -> list[TimeRange]:
    """Return the minutes of a symbol that are stored."""
    times = query(frames, "SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' ORDER BY time", symbol)[
        "time"
    ]
    return subtract_ranges([SPAN], gaps_between(times, within=SPAN))


def test_a_real_month_in_batches_ends_as_one_pass_does(frames, shared):
    """Real minutes around the outage of 25 April 2021 and the end of the month, newest batch first."""
    year = shared_minutes(pl.read_parquet(shared / "data/candles/binance_btcusdt_1m_2021.parquet"))
    span = TimeRange(datetime(2021, 4, 15, tzinfo=UTC), datetime(2021, 5, 21, tzinfo=UTC))
    minutes = year.filter(pl.col("time").is_between(span.start, span.end, closed="left"))
    store_minutes(frames, "ONE", minutes)
    PIPELINE.derive_minutes(frames, "ONE", [span], now=LATER)
    for batch in reversed(cut(minutes, random.Random(37), 5)):
        store_minutes(frames, "BTC", batch)
        PIPELINE.derive_minutes(frames, "BTC", [range_of(batch)], now=LATER)
    assert differences(outcome(frames, "BTC"), outcome(frames, "ONE")) == {}
    before = written(frames, "BTC")
    assert PIPELINE.derive_minutes(frames, "BTC", [span], now=LATER) == 0
    assert differences(written(frames, "BTC"), before) == {}


@given(seed=st.integers(0, 2**32), interval=intervals())
@settings(max_examples=20)
def test_a_candle_is_the_same_whatever_stands_beside_it(seed, interval):
    """Resampling pieces of whole candles gives the bits of resampling everything, volume too."""
    chance = random.Random(seed)
    minutes = made_minutes(TimeRange(SPAN.start, SPAN.start + timedelta(days=7)), chance, n_gaps=3)
    opens = resample(minutes, interval)["time"].to_list()
    edges = sorted({opens[0], *chance.sample(opens, min(5, len(opens)))})
    ends = [*edges[1:], LATER]
    pieces = [
        resample(minutes.filter(pl.col("time").is_between(start, end, closed="left")), interval)
        for start, end in zip(edges, ends, strict=True)
    ]
    assert pl.concat(pieces).equals(resample(minutes, interval))


def test_a_real_volume_is_the_same_in_any_piece(shared):
    """A year of real volumes: each candle alone has the bits that it has in the whole year."""
    minutes = shared_minutes(pl.read_parquet(shared / "data/candles/binance_btcusdt_1m_2021.parquet"))
    for interval in PIPELINE.intervals[1:]:
        whole = resample(minutes, interval)
        for time in random.Random(1).sample(whole["time"].to_list(), min(whole.height, 60)):
            inside = pl.col("time").is_between(time, interval.close_of(time), closed="left")
            assert resample(minutes.filter(inside), interval).equals(whole.filter(pl.col("time") == time))
