"""A recorded day, played through the session with its receive times, gives exactly the candles that were recorded."""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import EPOCH, MINUTE, to_ms
from collector.exchanges.hyperliquid import EXCHANGE
from collector.ledger import Plan
from collector.link import Timing
from collector.session import Action, Alarm, Drop, Late, Quarantine, Session, Store

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "hyperliquid"
SHARED = ROOT.parent / "shared" / "hyperliquid"
DAY = timedelta(days=1)
# The last frame of a minute came at most so long after its end, on the recorded day.
LATEST_SECONDS = 2.6


def recorded(lines: Iterable[str]) -> Iterator[tuple[datetime, str]]:
    """Yield receive time and frame of each line of a recording."""
    for line in lines:
        nanoseconds, _, frame = line.rstrip("\n").partition(" ")
        yield EPOCH + timedelta(microseconds=int(nanoseconds) // 1000), frame


def play(frames: Iterable[tuple[datetime, str]], coin: str) -> list[tuple[datetime, Candle]]:
    """Play frames as a socket would, ticks at every deadline, and return what is stored and when."""
    # Recordings hold no pongs, and a thin market is silent for long.
    timing = Timing(silence=DAY, ping=DAY)
    session = Session(EXCHANGE, timing, Plan(depth=EXCHANGE.history_depth, window=EXCHANGE.history_window))
    stored: list[tuple[datetime, Candle]] = []
    started, at = False, EPOCH

    def tick_until(end: datetime) -> None:
        nonlocal at
        while (deadline := session.next_deadline) is not None and deadline <= end:
            at = deadline
            keep(session.tick(at))
        at = end

    def keep(actions: Sequence[Action]) -> None:
        assert not [action for action in actions if isinstance(action, Alarm | Drop | Quarantine)]
        late = [action.seconds for action in actions if isinstance(action, Late)]
        assert all(0 <= seconds < LATEST_SECONDS for seconds in late)
        stores = [action for action in actions if isinstance(action, Store)]
        stored.extend((at, candle) for store in stores for candle in store.candles)

    for received, frame in frames:
        if not started:
            at, started = received, True
            keep(session.begin(coin, coin, first=None, runs=[], lost=(), now=at))
            keep(session.connected(1, at))
            keep(session.frame(1, f'{{"channel":"subscriptionResponse","data":{subscription(coin)}}}', at))
        tick_until(received)
        keep(session.frame(1, frame, at))
    tick_until(at + MINUTE + timedelta(seconds=3))
    return stored


def subscription(coin: str) -> str:
    """Return the data of an acknowledgement."""
    return f'{{"method":"subscribe","subscription":{{"type":"candle","interval":"1m","coin":"{coin}"}}}}'


def as_row(candle: Candle) -> tuple[int, float, float, float, float, float, int | None]:
    """Return the values of a candle in the order of the expected table."""
    return to_ms(candle.time), candle.open, candle.high, candle.low, candle.close, candle.volume, candle.trades


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded day (../shared/hyperliquid) is not on this machine")
def test_a_recorded_day_gives_exactly_its_final_candles():
    """Of 960 whole minutes none is missing and none is wrong, and each is stored once, 3 s after its end."""
    with gzip.open(SHARED / "ws_candle_1m_ETH_20250214_h00-16.log.gz", "rt") as lines:
        stored = play(recorded(lines), "ETH")
    with gzip.open(SHARED / "derived_final_1m_ETH_20250214_h00-16.csv.gz", "rt") as table:
        rows = [row for row in csv.DictReader(table) if row["whole"] == "yes"]
    expected = [(int(row["t_ms"]), *(float(row[key]) for key in "ohlcv"), int(row["n"])) for row in rows]
    assert len(expected) == 960
    assert [as_row(candle) for _, candle in stored if to_ms(candle.time) >= expected[0][0]] == expected
    assert all(at == candle.time + MINUTE + timedelta(seconds=3) for at, candle in stored[1:])


def test_the_latest_frame_of_the_day_still_makes_its_minute():
    """A frame 2,558 ms after the end of its minute (10:59) belongs to it: the minute is closed at 3 s, not before."""
    lines = (FIXTURES / "ws_candle_1m_ETH_20250214_excerpt.log").read_text().splitlines()
    frames = list(recorded(lines))
    stored = {to_ms(candle.time): candle for _, candle in play(frames, "ETH")}
    minute = 1739530740000
    versions = [
        update for _, frame in frames for update in EXCHANGE.parse_message(frame).items if to_ms(update.time) == minute
    ]
    best = max(versions, key=lambda update: (update.trades, update.volume))
    assert len(stored) == 6
    assert (stored[minute].trades, stored[minute].close) == (best.trades, best.close)


def test_a_thin_minute_whose_only_frame_comes_after_its_end_is_stored():
    """A minute of one trade, told 156 ms after its end, is a candle like any other."""
    lines = (FIXTURES / "ws_candle_1m_AAVE_20250320.log").read_text().splitlines()
    stored = [candle for _, candle in play(recorded(lines), "AAVE")]
    assert [as_row(candle) for candle in stored] == [
        (1742428740000, 182.58, 182.58, 182.58, 182.58, 0.21, 1),
        (1742428800000, 182.61, 182.65, 182.61, 182.64, 2.07, 6),
    ]
    assert {(candle.source, candle.state) for candle in stored} == {("ws", State.PROVISIONAL)}
