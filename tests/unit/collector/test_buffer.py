"""The bounded buffer's decisions."""

from datetime import UTC, datetime, timedelta

import msgspec

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from collector.buffer import Buffer

NOW = datetime(2025, 2, 14, 12, tzinfo=UTC)


def candle(minute: int = 0, trades: int = 1, *, state: State = State.PROVISIONAL) -> Candle:
    """Return a candle."""
    return Candle(
        time=NOW + minute * MINUTE, symbol="BTC", open=1, high=1, low=1, close=1, volume=1, trades=trades, source="ws",
        state=state,
    )  # fmt: skip


def buffer(*, capacity: int = 1000, flush_candles: int = 100) -> Buffer:
    """Return an empty buffer."""
    return Buffer(capacity=capacity, flush_candles=flush_candles, flush_after=timedelta(seconds=30))


def test_nothing_is_due_when_nothing_is_held():
    """An empty buffer asks for no flush."""
    assert buffer().due_time is None


def test_a_closed_minute_is_due_at_once():
    """A minute that has just closed does not wait, even for one that came before and would."""
    held = buffer()
    held.add([candle(0)], NOW, is_urgent=False)
    assert held.due_time == NOW + timedelta(seconds=30)
    held.add([candle(1)], NOW + timedelta(seconds=1), is_urgent=True)
    assert held.due_time == NOW + timedelta(seconds=1)


def test_a_hundred_candles_are_due_at_once():
    """A flush is due by count before it is due by time."""
    held = buffer()
    held.add([candle(i) for i in range(99)], NOW, is_urgent=False)
    assert held.due_time > NOW
    held.add([candle(99)], NOW, is_urgent=False)
    assert held.due_time <= NOW


def test_the_better_version_of_a_minute_is_held():
    """Several versions become one, the best, whatever their order; its deadline does not move away."""
    held = buffer()
    held.add([candle(trades=2), candle(trades=3), candle(trades=1)], NOW, is_urgent=False)
    held.add([candle(trades=4)], NOW + timedelta(seconds=9), is_urgent=False)
    assert held.batch() == [candle(trades=4)]
    assert held.due_time == NOW + timedelta(seconds=30)


def test_of_two_versions_the_better_one_stays():
    """More trades, or as many and more volume: not the one that came last."""
    held = buffer()
    for trades in (2, 3, 1):
        held.add([candle(trades=trades)], NOW, is_urgent=False)
    assert held.batch() == [candle(trades=3)]


def test_a_version_that_came_during_the_write_stays():
    """Only what was written is let go of."""
    held = buffer()
    held.add([candle(0), candle(1)], NOW, is_urgent=True)
    batch = held.batch()
    held.add([candle(1, trades=5)], NOW, is_urgent=False)
    held.settle(batch)
    assert held.batch() == [candle(1, trades=5)]


def test_a_batch_has_one_order():
    """Every writer takes its locks by symbol and time, or two could wait for each other."""
    held = buffer()
    other = msgspec.structs.replace(candle(0), symbol="AAVE")
    held.add([candle(1), candle(0), other], NOW, is_urgent=True)
    assert held.batch() == [other, candle(0), candle(1)]


def test_a_full_buffer_drops_the_oldest_and_remembers_it():
    """What is dropped can be fetched again: it comes back as few ranges, once."""
    held = buffer(capacity=3)
    assert held.add([candle(i) for i in (1, 0, 2, 4, 3)], NOW, is_urgent=True) == 2
    assert [item.time for item in held.batch()] == [NOW + i * MINUTE for i in (2, 3, 4)]
    assert len(held) == 3
    assert held.take_lost() == [("BTC", TimeRange(NOW, NOW + 2 * MINUTE))]
    assert held.take_lost() == []
