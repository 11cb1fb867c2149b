"""The feed as it is really played: with the minutes that a script changed, and under the names that it gave.

Such a change is the truth, on the stream and in REST, before and after the fault that made it is over.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from btc_core.model.timerange import TimeRange
from demo.feeds import Feed
from demo.wire import MINUTE_MS, Coin, Frame, Row

# Long after a minute's end nothing about it changes any more.
SETTLED_MS = 1000 * 365 * 86_400_000


class Change(Protocol):
    """What became different in the market. A minute is changed or not by the state of things at its start."""

    def frames(self, coin: str, minute: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Return the frames of a minute as they are sent, from those that the tape has without this change."""
        ...

    def row(self, coin: str, minute: int, row: Row | None, now_ms: float) -> Row | None:
        """Return the row of a minute as it stands at an instant, from the one without this change."""
        ...


class Tape:
    """A feed of its own: another one, and the changes to it, in the order in which they were made.

    Attributes:
        changes: Grows only. A change that is over keeps the minutes that it made.
    """

    def __init__(self, feed: Feed) -> None:
        self.changes: list[Change] = []
        self._feed = feed
        self._first_names: dict[str, str] = {name: name for name in feed.coins}

    @property
    def coins(self) -> Mapping[str, Coin]:
        """The coins it has data for, by the name that they have now."""
        return {now: self._feed.coins[first]._replace(name=now) for now, first in self._first_names.items()}

    @property
    def span(self) -> TimeRange | None:
        """From the first minute to the end of the last; None where it has no end."""
        return self._feed.span

    def rename(self, old: str, new: str) -> None:
        """Give a coin another name: from now on, and for its past too."""
        self._first_names[new] = self._first_names.pop(old)

    def first_name(self, coin: str) -> str:
        """Return the name under which changes know a coin: the one that it had at the start."""
        return self._first_names.get(coin, coin)

    def frames(self, coin: str, minute: int) -> Sequence[Frame]:
        """Return every frame of a minute, ascending by due time."""
        first = self._first_names[coin]
        frames = self._feed.frames(first, minute)
        for change in self.changes:
            frames = change.frames(first, minute, frames)
        if coin == first:
            return frames
        return [Frame(frame.due_ms, msgspec.structs.replace(frame.row, coin=coin)) for frame in frames]

    def row(self, coin: str, minute: int, now_ms: float) -> Row | None:
        """Return the minute's row as it stands at an instant, or None where it has none (yet)."""
        first = self._first_names[coin]
        row = self._feed.row(first, minute, int(now_ms))
        for change in self.changes:
            row = change.row(first, minute, row, now_ms)
        return row if row is None or coin == first else msgspec.structs.replace(row, coin=coin)

    def final_row(self, coin: str, minute: int) -> Row | None:
        """Return what REST says of a minute in the end."""
        return self.row(coin, minute, minute * MINUTE_MS + SETTLED_MS)

    def final_row_below(self, first_name: str, minute: int, change: Change) -> Row | None:
        """Return what REST would say of a minute in the end without a change and those that came after it."""
        now_ms = minute * MINUTE_MS + SETTLED_MS
        row = self._feed.row(first_name, minute, now_ms)
        for earlier in self.changes[: self.changes.index(change)]:
            row = earlier.row(first_name, minute, row, now_ms)
        return row
