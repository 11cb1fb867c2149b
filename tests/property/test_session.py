"""Laws of the collector's session: whatever order frames, ticks and connections come in, the best version is stored."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from btc_core.model.timerange import MINUTE, to_ms
from collector.exchanges.hyperliquid import EXCHANGE
from collector.session import MEMORY, Session, Store, Timing

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
CLOSE_AFTER = timedelta(seconds=3)
SYMBOLS = ("BTC", "ETH")

# What happens, and how many seconds after the event before it. Frames name a minute relative to the present one.
frames = st.tuples(st.just("frame"), st.sampled_from(SYMBOLS), st.integers(-3, 0), st.integers(1, 6), st.integers(1, 4))
others = st.tuples(st.sampled_from(["tick", "connected", "disconnected", "noise"]))
# Around the end of a minute and its close three seconds later everything is decided.
edges = st.sampled_from([0.0, 0.5, 2.0, 2.5, 3.0, 57.0, 60.0, 62.0, 62.5, 63.0])
pauses = st.one_of(edges, st.floats(0, 45, allow_nan=False, allow_infinity=False))
events = st.lists(st.tuples(st.one_of(frames, frames, others), pauses), max_size=60)


def frame(symbol: str, time: datetime, trades: int, volume: int) -> str:
    """Return a candle frame; its close tells the version, as a real one would differ."""
    t = to_ms(time)
    values = {"t": t, "T": t + 59999, "s": symbol, "i": "1m", "o": "1", "h": "99", "l": "1", "v": str(volume)}
    return json.dumps({"channel": "candle", "data": {**values, "c": str(trades * 10 + volume), "n": trades}})


class Play:
    """A session, and what went in and came out of it."""

    def __init__(self) -> None:
        self.session = Session(EXCHANGE, {name: name for name in SYMBOLS}, {}, Timing())
        self.now = NOON
        self.seen: dict[tuple[str, datetime], tuple[int, float]] = {}
        self.stored: dict[tuple[str, datetime], list[tuple[int, float]]] = {}

    def happen(self, event: tuple) -> None:
        """Let one thing happen and keep what is to be stored."""
        match event:
            case ("frame", symbol, minute, trades, volume):
                time = NOON + (self.now - NOON) // MINUTE * MINUTE + minute * MINUTE
                key = symbol, time
                self.seen[key] = max(self.seen.get(key, (0, 0.0)), (trades, float(volume)))
                self.keep(self.session.frame(frame(symbol, time, trades, volume), self.now))
            case ("noise",):
                self.keep(self.session.frame(b"\xff{", self.now))
            case (name,):
                self.keep(getattr(self.session, name)(self.now))

    def keep(self, actions: list) -> None:
        """Note every stored version, and that it was known by then."""
        for candle in (candle for action in actions if isinstance(action, Store) for candle in action.candles):
            assert self.now >= candle.time + MINUTE + CLOSE_AFTER
            assert candle.close == (candle.trades or 0) * 10 + candle.volume
            self.stored.setdefault((candle.symbol, candle.time), []).append((candle.trades or 0, candle.volume))

    def tick_until(self, end: datetime) -> None:
        """Tick at every deadline, as the shell does."""
        while (deadline := self.session.next_deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.keep(self.session.tick(self.now))
        self.now = end


@given(events=events, ticks_on_time=st.booleans())
def test_the_best_version_of_every_seen_minute_is_stored_last(events, ticks_on_time):
    """Any order of frames, repetitions, ticks and reconnects ends with the highest (n, v) of each minute stored.

    Nothing is stored before its minute's end + 3 s, and of two versions the worse is never stored after the better:
    late frames are corrections. It holds whether the shell ticks at every deadline or whenever it finds the time.
    """
    play = Play()
    for event, seconds in events:
        then = play.now + timedelta(seconds=seconds)
        if ticks_on_time:
            play.tick_until(then)
        play.now = then
        play.happen(event)
    play.session.disconnected(play.now)
    play.now += MINUTE + CLOSE_AFTER
    play.happen(("tick",))
    assert {key: versions[-1] for key, versions in play.stored.items()} == play.seen
    assert all(versions == sorted(set(versions)) for versions in play.stored.values())


@given(texts=st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=40)), max_size=20))
def test_no_message_stops_the_session(texts):
    """Whatever bytes come, they are at most an alarm."""
    session = Session(EXCHANGE, {"BTC": "BTC"}, {}, Timing())
    session.connected(NOON)
    for text in texts:
        session.frame(text, NOON)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


@given(
    channel=st.sampled_from(["candle", "error", "subscriptionResponse", "pong"]),
    fields=st.dictionaries(st.sampled_from(["t", "T", "s", "i", "o", "c", "h", "l", "v", "n"]), json_values),
)
def test_no_field_of_a_frame_stops_the_session(channel, fields):
    """A frame of the right shape with any value in any field is stored, ignored or an alarm."""
    data = {**json.loads(frame("BTC", NOON, 1, 1))["data"], **fields}
    session = Session(EXCHANGE, {"BTC": "BTC"}, {}, Timing())
    session.frame(json.dumps({"channel": channel, "data": data}), NOON)
    session.tick(NOON + MEMORY)
