"""What a look remembers, without a database; what it derives is in ``tests/integration/test_live.py``."""

from datetime import UTC, datetime, timedelta

from btc_core.model.timerange import TimeRange
from btc_core.pending import ranges_of
from btc_store.changes import Changes
from btc_store.live_state import LiveState
from live.plan import plan_of
from live.work import REACH, remember
from tests.live_lane import small_config

PLAN = plan_of(small_config("BTC"))
NOW = datetime(2025, 2, 14, tzinfo=UTC)


def written(**ranges):
    """Return changes of symbols, by days before now."""
    spans = {
        symbol: [TimeRange(NOW - timedelta(days=start), NOW - timedelta(days=end)) for start, end in pairs]
        for symbol, pairs in ranges.items()
    }
    return Changes(spans, 1, NOW, {"BTC|1": 3})


def days(start, end):
    """Return a range by days before now."""
    return TimeRange(NOW - timedelta(days=start), NOW - timedelta(days=end))


def test_recent_minutes_are_pending_and_old_ones_left():
    """A range over the edge is cut; what was before history and whose symbol is unknown is nobody's."""
    state, reach = LiveState(), REACH / timedelta(days=1)
    remember(state, written(BTC=[(4000, 3000), (30, 2)], ETH=[(1, 0)]), PLAN, now=NOW)
    assert (state.through, state.seen, set(state.symbols)) == (NOW, {"BTC|1": 3}, {"BTC"})
    assert set(state.symbols["BTC"].pending) == {interval.label for interval in PLAN.intervals}
    assert ranges_of(state.symbols["BTC"].pending["37m"]) == [days(reach, 2)]
    assert ranges_of(state.symbols["BTC"].left) == [days(30, reach)]


def test_what_is_pending_stays_pending_however_old_it_gets():
    """A month's minutes wait for its end; only a change decides anew whose they are."""
    state = LiveState()
    remember(state, written(BTC=[(1, 0)]), PLAN, now=NOW)
    remember(state, written(BTC=[]), PLAN, now=NOW + timedelta(days=90))
    assert ranges_of(state.symbols["BTC"].pending["1M"]) == [days(1, 0)]
    assert state.symbols["BTC"].left == []
    remember(state, written(BTC=[(0.5, 0)]), PLAN, now=NOW + timedelta(days=90))
    assert ranges_of(state.symbols["BTC"].left) == [days(0.5, 0)]
