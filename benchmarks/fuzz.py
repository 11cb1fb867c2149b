"""A million frames that the exchange never sends: none may raise, and none may become a row that it does not say.

Each frame is read twice. Once as the collector does it: the parser, the rules of a candle, the session. Once by a
strict reading of its own, with Python's ``json`` and exact decimals, that knows the documented shape and nothing of
our code. What the first accepts the second must have read, value for value; what the second cannot read must have
been refused; and of each minute the session must store the version with the most trades.
"""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple, cast

from benchmarks.figure import Figure
from benchmarks.mutate import Base, mutate
from btc_core.model.candle import State, candle_fault
from btc_core.model.timerange import EPOCH, MINUTE, to_ms
from collector.exchange import Update, Updates
from collector.exchanges.hyperliquid import EXCHANGE
from collector.ledger import Plan
from collector.link import Timing
from collector.session import FUTURE, Drop, Quarantine, Session, Store

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "hyperliquid"
RECORDING = FIXTURES / "ws_candle_1m_ETH_20250214_excerpt.log"
OTHERS = FIXTURES / "ws_frames_20260924.json"
SYMBOL = COIN = "ETH"
# One frame in so many is no candle: acknowledgements, errors and pongs are damaged too.
OTHER_SHARE = 0.05
MOST_EXAMPLES = 10
# A count of trades is an integer of four bytes in the table.
MOST_TRADES = 2**31 - 1
MILLISECOND = timedelta(milliseconds=1)
LARGEST = 10**18
PLAN = Plan(depth=EXCHANGE.history_depth, window=EXCHANGE.history_window)

# JSON's grammar of a number, as text; leading zeros change nothing there.
DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# What differs from frame to frame in a reason of refusal.
VALUE = re.compile(r" - at .*|found .*|byte 0x.*|-?[0-9]+", re.DOTALL)
# The keys of a row in the order of `Reading`.
VALUES = ("o", "h", "l", "c", "v")


class Reading(NamedTuple):
    """A 1m candle of the coin as a frame states it; prices and volume are its decimals, rounded once."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class Outcome:
    """What became of the frames.

    Attributes:
        n: Frames so far.
        seconds: How long they took, reading them twice and making them included.
        n_accepted: Candles that were taken.
        n_refused_readable: Candles that the strict reading takes and ours refuses: a loss, but no wrong row.
        refused: How often for which reason; numbers and values are cut off the reason.
        exceptions, wrong: Frames that raised, or became something else than they say, with what happened.
    """

    def __init__(self) -> None:
        self.n = 0
        self.seconds = 0.0
        self.n_accepted = 0
        self.n_refused_readable = 0
        self.refused: Counter[str] = Counter()
        self.exceptions: list[str] = []
        self.wrong: list[str] = []


def measure(*, n: int, seed: int) -> Iterator[Figure]:
    """Run the fuzz and say what came of it."""
    outcome = run(n=n, seed=seed)
    yield Figure(name="fuzz_frames_per_second", value=round(n / outcome.seconds), unit="frames/s, read twice")
    yield Figure(
        name="fuzz_candles_accepted",
        value=outcome.n_accepted,
        unit=f"candles of {n} frames, seed {seed}",
        beside={"readable_but_refused": outcome.n_refused_readable},
    )
    yield Figure(
        name="fuzz_refused",
        value=outcome.refused.total(),
        unit="messages and candles",
        beside=dict(outcome.refused.most_common(MOST_EXAMPLES)),
    )
    for name, found in (("fuzz_exceptions", outcome.exceptions), ("fuzz_wrong", outcome.wrong)):
        yield Figure(name=name, value=len(found), unit="frames", beside={"limit": 0, "first": found[:MOST_EXAMPLES]})


def run(*, n: int, seed: int) -> Outcome:
    """Send ``n`` mutated frames, in the recorded order and at the recorded times, through parser, rules and session."""
    recording, others = read_recording(), read_others()
    rng, outcome, play = Random(seed), Outcome(), Play()
    started = time.monotonic()
    for i in range(n):
        at, base = recording[i * len(recording) // n]
        if rng.random() < OTHER_SHARE:
            base = Base(rng.choice(others))
        frame = mutate(rng, base, recording[rng.randrange(len(recording))][1].frame)
        try:
            play.take(frame, at, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are looking for
            outcome.exceptions.append(f"{type(error).__name__}: {error}: {frame!r}")
        outcome.n += 1
    outcome.wrong += play.wrong_rows(recording[-1][0])
    outcome.seconds = time.monotonic() - started
    return outcome


class Play:
    """A session that hears the frames, and the best that the strict reading has read of each minute."""

    def __init__(self) -> None:
        self._session = Session(EXCHANGE, Timing(), PLAN, dice=Random(0))
        self._numbers = count(1)
        self._now = EPOCH
        self._best: dict[int, tuple[int, float]] = {}
        self._read: set[Reading] = set()
        self._stored: dict[int, Reading] = {}
        self._wrong: list[str] = []

    def take(self, frame: bytes, now: datetime, outcome: Outcome) -> None:
        """Read a frame in both ways and compare."""
        if now > self._now:
            self._pass_time(now)
        accepted, expected = accept(frame, now), strict_reading(frame, now)
        outcome.n_accepted += len(accepted)
        outcome.n_refused_readable += len(expected) - len(accepted)
        if any(reading not in expected for reading in accepted):
            outcome.wrong.append(f"taken as {accepted}, says {expected}: {frame!r}")
        for reading in accepted:
            self._read.add(reading)
            rank = reading.trades, reading.volume
            self._best[reading.open_ms] = max(rank, self._best.get(reading.open_ms, rank))
        for action in self._session.frame(self._number, frame, now):
            self._note(action, outcome)

    def wrong_rows(self, end: datetime) -> list[str]:
        """Close the last minute; return what is stored and should not be, or the other way round."""
        self._pass_time(end + 2 * MINUTE)
        missing = [f"{time}: not stored" for time in self._best if time not in self._stored]
        beaten = [
            f"{row}: stored, though {self._best.get(time)} was seen"
            for time, row in self._stored.items()
            if self._best.get(time) != (row.trades, row.volume)
        ]
        return [*self._wrong, *missing, *beaten]

    def _pass_time(self, now: datetime) -> None:
        if self._now == EPOCH:
            self._session.begin(SYMBOL, COIN, first=None, runs=(), lost=(), now=now)
            self._connect(now)
        self._now = now
        for action in self._session.tick(now):
            self._note(action, None)
            if isinstance(action, Drop):
                self._connect(now)

    def _connect(self, now: datetime) -> None:
        self._number = next(self._numbers)
        self._session.connected(self._number, now)

    def _note(self, action: object, outcome: Outcome | None) -> None:
        if isinstance(action, Store):
            for candle in action.candles:
                row = Reading(
                    *(to_ms(candle.time), candle.open, candle.high, candle.low, candle.close),
                    *(candle.volume, candle.trades or 0),
                )
                # As the table does: what the stream says is taken where it has more trades than what is stored.
                held = self._stored.setdefault(row.open_ms, row)
                if (row.trades, row.volume) > (held.trades, held.volume):
                    self._stored[row.open_ms] = row
                if row not in self._read:
                    self._wrong.append(f"{row}: stored, and no frame says it")
        elif isinstance(action, Quarantine) and outcome is not None:
            outcome.refused[VALUE.sub("…", action.reason)] += 1


def accept(frame: bytes, now: datetime) -> list[Reading]:
    """Return the candles that the collector takes of a frame."""
    message = EXCHANGE.parse_message(frame)
    items = message.items if isinstance(message, Updates) else ()
    return [_reading(item) for item in items if isinstance(item, Update) and _is_taken(item, now)]


def _is_taken(update: Update, now: datetime) -> bool:
    candle = update.candle(SYMBOL, source="ws", state=State.PROVISIONAL)
    is_timely = now - PLAN.reach <= update.time <= now + FUTURE
    return update.coin == COIN and is_timely and candle_fault(candle) is None


def _reading(item: Update) -> Reading:
    return Reading(to_ms(item.time), item.open, item.high, item.low, item.close, item.volume, item.trades)


# The strict reading. It shares nothing with ours but the documented shape.


def strict_reading(frame: bytes, now: datetime) -> list[Reading]:
    """Return the candles of the coin that a frame states beyond doubt, and that may be true now."""
    try:
        tree: object = _READER.decode(frame.decode("utf-8"))
    except (ValueError, RecursionError):
        return []
    if not isinstance(tree, dict):
        return []
    envelope = cast("dict[str, object]", tree)
    data = envelope.get("data")
    rows = cast("list[object]", data) if isinstance(data, list) else [data]
    readings = [_strict_row(row, to_ms(now)) for row in rows] if envelope.get("channel") == "candle" else []
    return [reading for reading in readings if reading is not None]


def _strict_row(row: object, now_ms: int) -> Reading | None:
    if not isinstance(row, dict):
        return None
    keys = cast("dict[str, object]", row)
    open_ms, last_ms, trades = (_integer(keys.get(name)) for name in ("t", "T", "n"))
    values = [_decimal(keys.get(name)) for name in VALUES]
    if keys.get("s") != COIN or keys.get("i") != "1m" or open_ms is None or last_ms is None or trades is None:
        return None
    oldest_ms, newest_ms = now_ms - PLAN.reach // MILLISECOND, now_ms + FUTURE // MILLISECOND
    if open_ms % 60_000 or last_ms != open_ms + 59_999 or not oldest_ms <= open_ms <= newest_ms:
        return None
    rounded = [float(value) for value in values if value is not None]
    if len(rounded) < len(values) or not _is_possible(*rounded, trades=trades):
        return None
    return Reading(open_ms, *rounded, trades=trades)


def _is_possible(open: float, high: float, low: float, close: float, volume: float, *, trades: int) -> bool:
    """Say whether rounded values may be a candle: the noise of a float, as in 2702.1999999999998, is no fault."""
    if not all(math.isfinite(value) for value in (open, high, low, close, volume)) or low <= 0:
        return False
    is_whole = low <= min(open, close) and max(open, close) <= high
    return is_whole and volume >= 0 and 0 <= trades <= MOST_TRADES and (trades == 0) == (volume == 0)


def _integer(value: object) -> int | None:
    """Return a JSON number without a fraction."""
    # Comparing is exact; abs() would round, and a number of a million digits is not worth the memory.
    if not isinstance(value, Decimal) or value.copy_abs() >= LARGEST:
        return None
    return int(value) if value == int(value) else None


def _decimal(value: object) -> Decimal | None:
    """Return a JSON number, or a text that is one and nothing else."""
    if isinstance(value, str):
        return _exact(value) if DECIMAL.fullmatch(value) else None
    return value if isinstance(value, Decimal) else None


def _exact(text: str) -> Decimal | None:
    """Return a number, None where its exponent is beyond all reason: that is JSON, but no price."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_READER = json.JSONDecoder(parse_float=_exact, parse_int=_exact, parse_constant=_refuse_constant)


def read_recording() -> list[tuple[datetime, Base]]:
    """Return the recorded frames and when they were received."""
    lines = [line.partition(" ") for line in RECORDING.read_text(encoding="utf-8").splitlines()]
    return [(EPOCH + timedelta(microseconds=int(at) // 1000), Base(frame.encode())) for at, _, frame in lines]


def read_others() -> list[bytes]:
    """Return recorded frames of other channels."""
    entries = json.loads(OTHERS.read_text(encoding="utf-8"))
    return [json.dumps(entry["received"]).encode() for entry in entries if "received" in entry]
