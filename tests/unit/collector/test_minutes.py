"""The best version of each minute."""

from datetime import UTC, datetime, timedelta

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from collector.minutes import Minutes

TIME = datetime(2025, 2, 14, 12, tzinfo=UTC)
CLOSE = TIME + MINUTE + timedelta(seconds=3)


def candle(trades: int, *, volume: float = 1.0, time: datetime = TIME, symbol: str = "BTC") -> Candle:
    """Return a version of a minute."""
    return Candle(
        time=time, symbol=symbol, open=1, high=1, low=1, close=1, volume=volume, trades=trades, source="ws",
        state=State.PROVISIONAL,
    )  # fmt: skip


def minutes() -> Minutes:
    """Return an empty book that closes after 3 s and remembers for an hour."""
    return Minutes(close_after=timedelta(seconds=3), memory=timedelta(hours=1))


def test_the_highest_trades_and_volume_win_in_any_order():
    """Frames of one minute arrive reordered: the last that came is not the best."""
    book = minutes()
    for version in (candle(3), candle(5, volume=2), candle(5, volume=1), candle(4)):
        assert book.see(version) is None
    assert book.close(CLOSE) == [candle(5, volume=2)]


def test_a_minute_closes_three_seconds_after_its_end_and_not_before():
    """At end + 2 s two minutes of 1,439 would be wrong, at end + 3 s none."""
    book = minutes()
    book.see(candle(1))
    assert book.next_close == CLOSE
    assert book.close(CLOSE - timedelta(microseconds=1)) == []
    assert book.close(CLOSE) == [candle(1)]
    assert book.close(CLOSE) == []
    assert book.next_close is None


def test_a_better_version_of_a_closed_minute_is_a_correction():
    """A late frame is told once if it is better, and not at all if it is not."""
    book = minutes()
    book.see(candle(2))
    book.close(CLOSE)
    assert book.see(candle(2)) is None
    assert book.see(candle(3)) == candle(3)
    assert book.see(candle(3)) is None


def test_closed_minutes_are_forgotten_in_time():
    """Memory is bounded: after an hour a version is a new one, and the table decides which of the two is better."""
    book = minutes()
    book.see(candle(5))
    book.close(CLOSE)
    later = 61 * MINUTE
    book.see(candle(1, time=TIME + later))
    book.close(CLOSE + later)
    assert book.see(candle(4)) is None
    assert book.next_close == CLOSE
    assert book.close(CLOSE + later) == [candle(4)]


def test_within_the_hour_a_closed_minute_is_remembered():
    """Also when others close after it."""
    book = minutes()
    book.see(candle(5))
    book.close(CLOSE)
    later = 55 * MINUTE
    book.see(candle(1, time=TIME + later))
    book.close(CLOSE + later)
    assert book.see(candle(4)) is None
    assert book.next_close is None
    assert book.see(candle(6)) == candle(6)


def test_a_lost_candle_is_news_again():
    """What was closed and dropped before it was stored may come back with any number of trades; others may not."""
    book = minutes()
    for symbol in ("BTC", "ETH"):
        book.see(candle(5, symbol=symbol))
    book.close(CLOSE)
    book.forget("BTC", TimeRange(TIME, TIME + MINUTE))
    for symbol in ("BTC", "ETH"):
        assert book.see(candle(4, symbol=symbol)) is None
    assert book.close(CLOSE) == [candle(4)]


def test_minutes_of_all_symbols_close_together_and_oldest_first():
    """However late the tick comes, in whatever order they were seen; versions of two symbols are not compared."""
    book = minutes()
    book.see(candle(1, time=TIME + MINUTE))
    book.see(candle(9, symbol="ETH"))
    book.see(candle(2))
    closed = book.close(CLOSE + 5 * MINUTE)
    assert closed == [candle(9, symbol="ETH"), candle(2), candle(1, time=TIME + MINUTE)]


def test_a_flat_row_counts_as_a_version():
    """A minute without trades is a version with none: any trade is better, and it is no better than itself."""
    book = minutes()
    book.see(candle(0, volume=0))
    assert book.close(CLOSE) == [candle(0, volume=0)]
    assert book.see(candle(0, volume=0)) is None
    assert book.see(candle(1)) == candle(1)
