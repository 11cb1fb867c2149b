"""What the sensor remembers: nothing that arrived is lost, nothing is asked for too early (laws 3, 4 and 10)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import MINUTE, TimeRange, merge_ranges
from btc_core.partitions import candles_closed_in, month_of
from sensors.pending import RETRY_MAX, Due, Request, SymbolState, add_changes, closed_until, settle, take_due
from tests.property.strategies import intervals

START = datetime(2024, 12, 20, 3, 7, tzinfo=UTC)
WAIT = timedelta(minutes=10)
# Shorter than what is waited: several candles wait at once.
SHORT = [parse_interval("2m"), parse_interval("3m"), parse_interval("5m")]

arrivals = st.lists(
    st.tuples(st.integers(0, 60_000), st.one_of(st.integers(1, 40), st.integers(1, 9000), st.just(60_000))),
    min_size=0,
    max_size=4,
)
# What happens: minutes arrive, the clock moves on, and a run that is asked for succeeds or fails.
steps = st.lists(
    st.tuples(arrivals, st.one_of(st.integers(0, 30), st.integers(0, 20_000)), st.booleans()), min_size=1, max_size=12
)


@dataclass
class Replay:
    """A market with a clock, and the sensor's state beside it.

    Attributes:
        stored: Minutes that have arrived.
        owed: By interval, candles that hold a minute which no successful run has covered since it arrived.
    """

    intervals: Sequence[Interval]
    now: datetime = START
    stored: list[TimeRange] = field(default_factory=list)
    state: SymbolState = field(default_factory=SymbolState)
    owed: dict[Interval, set[datetime]] = field(default_factory=dict)
    failures: int = 0

    def arrive(self, minutes: list[tuple[int, int]]) -> None:
        """Store minutes that lie before now, and tell the state."""
        ranges = [
            TimeRange(START + first * MINUTE, end)
            for first, n in minutes
            if START + first * MINUTE < (end := min(START + (first + n) * MINUTE, self.now))
        ]
        for span in ranges:
            self.stored = merge_ranges([*self.stored, span])
            for interval in self.intervals:
                self.owed.setdefault(interval, set()).update(interval.opens(interval.cover(span)))
        add_changes(self.state, merge_ranges(ranges), [interval.label for interval in self.intervals])

    def count(self, span: TimeRange) -> int:
        """Return how many minutes of a range are stored."""
        return sum(part.n_minutes for item in self.stored if (part := item.clip(span)))

    def ask(self) -> Due | None:
        """Look for a run to ask for."""
        ready = {i: closed_until(i, now=self.now, wait=WAIT, count=self.count) for i in self.intervals}
        return take_due(self.state, ready)

    def finish(self, due: Due, *, succeeded: bool) -> None:
        """Let a run end."""
        self.state.request = Request("run", {k: [(s.start, s.end) for s in v] for k, v in due.touched.items()})
        settle(self.state, succeeded=succeeded, now=self.now)
        self.failures = 0 if succeeded else self.failures + 1
        for interval in self.intervals if succeeded else ():
            self.owed.get(interval, set()).difference_update(self.derived(due, interval))

    def derived(self, due: Due, interval: Interval) -> list[datetime]:
        """Return the candles that a run derives: of its months and touched, as ``Partition.spans`` has it."""
        spans = due.touched.get(interval.label, [])
        owned = [range_ for month in due.months if (range_ := candles_closed_in(month, interval))]
        return [
            time
            for span in spans
            for own in owned
            if (part := interval.cover(span).clip(own))
            for time in interval.opens(part)
        ]


@settings(max_examples=60)
@given(
    history=steps,
    kept=st.lists(st.one_of(intervals(), st.sampled_from(SHORT)), min_size=1, max_size=4, unique_by=lambda i: i.label),
)
def test_no_minute_is_lost_and_none_is_asked_for_too_early(history, kept):
    """Whatever arrives and however runs end: every closed candle with news is derived, and only ready ones are."""
    replay = Replay(kept)
    for minutes, step, succeeded in history:
        replay.now += step * MINUTE
        replay.arrive(minutes)
        due = replay.ask()
        if due:
            check(replay, due)
            replay.finish(due, succeeded=succeeded)
    # In the end the clock stands far behind every candle, and runs succeed.
    replay.now += timedelta(days=800)
    for _ in range(60):
        due = replay.ask()
        if due is None:
            break
        check(replay, due)
        replay.finish(due, succeeded=True)
    else:
        raise AssertionError("the sensor asks for ever")
    assert {interval.label: times for interval, times in replay.owed.items() if times} == {}
    assert [ranges for ranges in replay.state.pending.values() if ranges] == []


def check(replay, due):
    """Assert what holds for every request: consecutive months, their own candles, closed and complete or waited for."""
    assert all(left.end == right.start for left, right in pairwise(due.months))
    assert due.touched
    for interval in replay.intervals:
        for time in replay.derived(due, interval):
            close = interval.close_of(time)
            assert close <= replay.now
            assert month_of(close) in due.months
            if close > replay.now - WAIT:
                assert replay.count(TimeRange(time, close)) == interval.n_minutes(time)
        # No minute is taken out of `pending` that the run does not derive.
        for span in due.touched.get(interval.label, []):
            assert set(interval.opens(interval.cover(span))) <= set(replay.derived(due, interval))


@given(history=steps)
def test_a_failed_runs_minutes_come_again(history):
    """After a failure the same minutes are asked for again, after a delay that grows to a limit."""
    replay = Replay([parse_interval("37m"), parse_interval("1d")], now=START + timedelta(days=60))
    for minutes, _, _ in history:
        replay.arrive(minutes)
    first = replay.ask()
    if first is None:
        return
    delays = []
    for _ in range(8):
        replay.finish(first, succeeded=False)
        delays.append(replay.state.retry_at - replay.now)
        again = replay.ask()
        assert (again.months, again.touched) == (first.months, first.touched)
    assert delays == sorted(delays)
    assert delays[0] > timedelta(0)
    assert delays[-1] == RETRY_MAX
    replay.finish(first, succeeded=True)
    assert (replay.state.n_failed, replay.state.retry_at) == (0, None)
