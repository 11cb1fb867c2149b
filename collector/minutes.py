"""Which version of each minute is the best, and when a minute is closed. Pure: no socket, clock or log.

No message says that a candle is closed, and messages of one minute may come in any order: the best version is the one
with the highest (trades, volume), never the one that came last.
"""

from datetime import datetime, timedelta

from btc_core.model.candle import Candle
from btc_core.model.timerange import MINUTE, TimeRange

Rank = tuple[int, float]


def rank(candle: Candle) -> Rank:
    """Return what orders the versions of a minute: a later one has seen more trades."""
    return candle.trades or 0, candle.volume


class Minutes:
    """The minutes under way, and for a bounded time what the closed ones were closed with.

    Args:
        close_after: How long after its end a minute is closed.
        memory: How long a closed minute is remembered; a better version within it is a correction.
    """

    def __init__(self, *, close_after: timedelta, memory: timedelta) -> None:
        self._close_after = close_after
        self._memory = memory
        # By minute first: few minutes are under way at a time, however many symbols there are.
        self._open: dict[datetime, dict[str, Candle]] = {}
        self._closed: dict[datetime, dict[str, Rank]] = {}

    @property
    def next_close(self) -> datetime | None:
        """When the next minute is due to be closed."""
        return min(self._open) + MINUTE + self._close_after if self._open else None

    def see(self, candle: Candle) -> Candle | None:
        """Take a version of a minute from the stream; return it where it corrects a closed one."""
        closed = self._closed.get(candle.time, {}).get(candle.symbol)
        if closed is not None:
            if rank(candle) <= closed:
                return None
            self._closed[candle.time][candle.symbol] = rank(candle)
            return candle
        versions = self._open.setdefault(candle.time, {})
        held = versions.get(candle.symbol)
        if held is None or rank(candle) > rank(held):
            versions[candle.symbol] = candle
        return None

    def close(self, now: datetime) -> list[Candle]:
        """Close the minutes that are due and return the best version of each, oldest first."""
        best: list[Candle] = []
        last = now - MINUTE - self._close_after
        for time in sorted(time for time in self._open if time <= last):
            versions = self._open.pop(time)
            best += versions.values()
            self._closed.setdefault(time, {}).update({symbol: rank(candle) for symbol, candle in versions.items()})
        if best:
            self._closed = {time: ranks for time, ranks in self._closed.items() if time >= now - self._memory}
        return best

    def forget(self, symbol: str, lost: TimeRange) -> None:
        """Forget closed minutes of a symbol that were never stored: whatever comes for them next is news."""
        for time, ranks in self._closed.items():
            if time in lost:
                ranks.pop(symbol, None)
