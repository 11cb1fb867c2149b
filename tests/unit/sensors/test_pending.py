"""What is asked for next, in cases; that nothing is lost is in ``tests/property/test_pending.py``."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.partitions import month_range
from btc_core.pending import MAX_RANGES
from sensors.pending import (
    RETRY_MAX,
    RETRY_MIN,
    Cursor,
    Request,
    SymbolState,
    add_changes,
    closed_until,
    forget_derived,
    settle,
    take_due,
)

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR, WEEK, QUARTER = (parse_interval(label) for label in ("1h", "1w", "90d"))
THREE = parse_interval("3m")
WAIT = timedelta(minutes=10)


def span(first, end):
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


def state_of(*spans, labels=("1h",)):
    """Return a symbol's state with these minutes changed."""
    state = SymbolState()
    add_changes(state, list(spans), labels)
    return state


def until(now, *, interval=HOUR, missing=()):
    """Return the close of the last ready candle where these minutes are missing."""

    def count(minutes):
        return minutes.n_minutes - sum(1 for n in missing if START + n * MINUTE in minutes)

    return closed_until(interval, now=START + now * MINUTE, wait=WAIT, count=count)


def test_a_candle_that_has_not_closed_is_not_asked_for():
    """Its minutes stay pending; those of closed candles go."""
    state = state_of(span(30, 90))
    due = take_due(state, {HOUR: until(90)})
    assert (due.months, due.touched) == ([month_range(START)], {"1h": [span(30, 60)]})
    assert state.pending["1h"] == [(span(60, 90).start, span(60, 90).end)]
    assert take_due(state, {HOUR: until(119)}) is None
    assert take_due(state, {HOUR: until(120)}).touched == {"1h": [span(60, 90)]}


@pytest.mark.parametrize(
    ("now", "missing", "ready"),
    [
        (60, [], 60),
        (60.5, [], 60),
        (60, [7], 0),
        (69.9, [7], 0),
        (70, [7], 60),
        (119, [7], 60),
        # An hour that misses a minute, behind one that does.
        (125, [7, 61], 60),
        (130, [7, 61], 120),
    ],
)
def test_a_candle_is_ready_when_complete_or_waited_for(now, missing, ready):
    """A candle that misses minutes is asked for ten minutes after its close."""
    assert until(now, missing=missing) == START + ready * MINUTE


@pytest.mark.parametrize(
    ("now", "missing", "ready"),
    [(12, [], 12), (12, [4], 3), (15.9, [4], 3), (16, [4], 15), (16, [4, 7], 6), (12, [10, 1], 0), (13, [10, 1], 9)],
)
def test_short_candles_wait_in_order(now, missing, ready):
    """Of an interval shorter than the waiting, one that misses minutes holds up the complete ones behind it."""
    assert until(now, interval=THREE, missing=missing) == START + ready * MINUTE


def test_one_request_takes_consecutive_months():
    """A hole between months ends it; the rest is the next one's."""
    far = TimeRange(datetime(2025, 5, 3, tzinfo=UTC), datetime(2025, 5, 4, tzinfo=UTC))
    state = state_of(span(0, 60 * 24 * 40), far)
    ready = {HOUR: datetime(2025, 7, 1, tzinfo=UTC)}
    first, second = take_due(state, ready), take_due(state, ready)
    assert [month.start.month for month in first.months] == [1, 2]
    assert [month.start.month for month in second.months] == [5]
    assert (first.touched, second.touched) == ({"1h": [span(0, 60 * 24 * 40)]}, {"1h": [far]})
    assert take_due(state, ready) is None


def test_a_candle_over_a_months_end_is_the_next_months():
    """Its minutes before the month's end are asked for with the month that owns it."""
    sunday = TimeRange(datetime(2025, 2, 28, 12, tzinfo=UTC), datetime(2025, 2, 28, 13, tzinfo=UTC))
    state = state_of(sunday, labels=["1w"])
    due = take_due(state, {WEEK: datetime(2025, 3, 3, tzinfo=UTC)})
    assert ([month.start.month for month in due.months], due.touched) == ([3], {"1w": [sunday]})


def test_a_month_that_owns_no_long_candle_takes_none_of_its_minutes():
    """Minutes of a candle of 90 days wait for the month in which it closes: an earlier run once took them."""
    early = span(0, 60)
    state = state_of(early, labels=["1h", "90d"])
    ready = {HOUR: datetime(2025, 7, 1, tzinfo=UTC), QUARTER: QUARTER.floor(datetime(2025, 7, 1, tzinfo=UTC))}
    first, second = take_due(state, ready), take_due(state, ready)
    assert (first.months, first.touched) == ([month_range(START)], {"1h": [early]})
    assert second.touched == {"90d": [early]}
    close = QUARTER.close_of(QUARTER.floor(START))
    assert second.months == [month_range(close - MINUTE)]


def test_after_a_failure_the_minutes_are_pending_again():
    """Together with what came meanwhile; the delay doubles to a limit, and a success clears it."""
    state = state_of(span(0, 60))
    delays = []
    for n in range(7):
        due = take_due(state, {HOUR: until(1000)})
        state.request = Request("run", {k: [(s.start, s.end) for s in v] for k, v in due.touched.items()})
        add_changes(state, [span(300 + n, 301 + n)], ["1h"])
        settle(state, succeeded=False, now=START)
        assert state.request is None
        delays.append(state.retry_at - START)
    assert take_due(state, {HOUR: until(1000)}).touched == {"1h": [span(0, 60), span(300, 307)]}
    assert delays == [min(RETRY_MIN * 2**n, RETRY_MAX) for n in range(7)]
    state.request = Request("run", {})
    settle(state, succeeded=True, now=START)
    assert (state.n_failed, state.retry_at, state.request) == (0, None, None)


def test_settling_without_a_run_changes_nothing():
    """There is nothing to take note of."""
    state = state_of(span(0, 60))
    settle(state, succeeded=False, now=START)
    assert (state.n_failed, state.retry_at) == (0, None)


def test_the_memory_stays_small():
    """However scattered the changes, close ranges are taken together, and none is lost."""
    scattered = [span(n * n, n * n + 1) for n in range(300)]
    state = state_of(*scattered)
    pairs = [TimeRange(*pair) for pair in state.pending["1h"]]
    assert len(pairs) <= MAX_RANGES
    assert all(any(each.clip(one) == one for each in pairs) for one in scattered)


def test_the_cursor_reads_back():
    """As JSON, the form that Dagster keeps it in."""
    cursor = Cursor(START, {"BTC|1": 7}, {"BTC": state_of(span(0, 5))})
    cursor.symbols["BTC"].request = Request("run", {"1h": [(START, START + MINUTE)]})
    cursor.symbols["BTC"].retry_at = START
    assert msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor) == cursor


def test_what_the_lane_has_derived_is_forgotten():
    """What it waits for itself stays pending, and what it leaves to us."""
    state = state_of(span(0, 300), labels=("1h", "1w"))
    pair = span(240, 290)
    forget_derived(state, waiting={"1h": [(pair.start, pair.end)]}, left=[span(-100, 60)])
    assert [TimeRange(*each) for each in state.pending["1h"]] == [span(0, 60), pair]
    assert [TimeRange(*each) for each in state.pending["1w"]] == [span(0, 60)]


def test_beside_a_lane_only_what_it_leaves_is_asked_for():
    """The rest stays pending: should the lane die, it is asked for then."""
    state = state_of(span(0, 300))
    due = take_due(state, {HOUR: until(1000)}, within=[span(-100, 60)])
    assert due.touched == {"1h": [span(0, 60)]}
    assert take_due(state, {HOUR: until(1000)}, within=[span(-100, 60)]) is None
    assert take_due(state, {HOUR: until(1000)}, within=[]) is None
    assert take_due(state, {HOUR: until(1000)}).touched == {"1h": [span(60, 300)]}
