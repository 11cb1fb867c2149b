"""What the live lane remembers between two looks, and what the sensor reads of it.

The lane's memory is level-triggered: at every committed look, a minute that is stored is pending in it, or left to the
Dagster lane, or derived since it was last written. So nothing hangs on a notification, a process or a run.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from btc_core.config import Config
from btc_core.model.timerange import TimeRange
from btc_core.pending import Pending, Range, add_minutes, ranges_of
from btc_core.version import CODE_VERSION
from btc_store.frames import Frames


class Told(msgspec.Struct, frozen=True):
    """What was told last of the 1m candles of a symbol: of which partition, what its checks said, when (real time)."""

    partition: str
    words: str
    at: datetime


class LiveSymbol(msgspec.Struct):
    """What the lane remembers of a symbol.

    Attributes:
        pending: By interval label, minutes that changed and are not derived.
        unchecked: Minutes that are derived, and whose checks are not made yet.
        left: Minutes that were too old when they changed: the Dagster lane's.
        told: What was told last of the 1m candles.
    """

    pending: Pending = {}
    unchecked: Pending = {}
    left: list[Range] = []
    told: Told | None = None


class LiveState(msgspec.Struct):
    """What the lane remembers.

    Attributes:
        through, seen, settled: As ``btc_store.changes`` wants them for the next look.
        symbols: By symbol.
    """

    through: datetime | None = None
    seen: dict[str, int] = {}
    settled: datetime | None = None
    symbols: dict[str, LiveSymbol] = {}


@dataclass(frozen=True)
class Look:
    """One look of the lane, while it holds its memory: nobody else changes it until the transaction ends.

    Attributes:
        state: What it remembers; to be changed, and saved.
        at: A moment before the look, by the database's clock.
    """

    state: LiveState
    at: datetime
    stored: bytes
    serves: str


@dataclass(frozen=True)
class Seen:
    """The lane as others see it.

    Attributes:
        state: What it remembered at its last look.
        serves: What it derives, as ``served`` names it.
        looked_at: The last look, by the database's clock.
        age_seconds: How long ago that was, real time.
    """

    state: LiveState
    serves: str
    looked_at: datetime
    age_seconds: float

    def left(self, symbol: str) -> Sequence[TimeRange]:
        """Return the minutes of a symbol that the lane leaves to others."""
        return ranges_of(self.state.symbols.get(symbol, LiveSymbol()).left)

    def pending(self, symbol: str) -> Pending:
        """Return the minutes of a symbol that the lane is going to derive, or to check."""
        known = self.state.symbols.get(symbol, LiveSymbol())
        waiting = dict(known.pending)
        for label, pairs in known.unchecked.items():
            add_minutes(waiting, ranges_of(pairs), [label])
        return waiting


def served(config: Config) -> str:
    """Return a name of all that is derived and checked by a configuration: two that are equal do the same."""
    parts = (config.intervals, config.indicators, config.strategies, config.decisions, config.quality, config.paper)
    told = msgspec.json.encode((CODE_VERSION, sorted(config.symbols), config.history_start, *parts), order="sorted")
    return hashlib.sha256(told).hexdigest()[:16]


def begin_look(frames: Frames) -> Look:
    """Read the lane's memory and hold it until the transaction ends."""
    stored, serves, at = frames.read("lock_live_state").row(0)
    state = msgspec.json.decode(stored, type=LiveState)
    return Look(state, at, msgspec.json.encode(state), serves)


def end_look(frames: Frames, look: Look, serves: str) -> None:
    """Save what the lane remembers now. A look that changed nothing writes its time alone."""
    state = msgspec.json.encode(look.state)
    if (state, serves) == (look.stored, look.serves):
        frames.run("touch_live_state", look.at)
    else:
        frames.run("save_live_state", state.decode(), serves, look.at)


def see_lane(frames: Frames) -> Seen | None:
    """Return the lane as it was at its last look; None where there never was one."""
    stored, serves, looked_at, age_seconds = frames.read("read_live_state").row(0)
    if looked_at is None:
        return None
    return Seen(msgspec.json.decode(stored, type=LiveState), serves, looked_at, age_seconds)
