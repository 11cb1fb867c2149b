"""What each address used up, and when: the exchange's limits are by the market minute.

A clock that runs fast makes minutes of milliseconds, in which a network's delay pushes the use of many minutes into
one. ``n_minutes`` says how many minutes are then looked at together.
"""

from bisect import bisect_right, insort

from demo.wire import MINUTE_MS

# Real seconds by which a network and a busy machine may bunch what a client spreads over market time.
BUNCHING_SECONDS = 2.0
# Of a week of market time with a request every few seconds; then the older half is forgotten.
MOST_ENTRIES = 100_000


def n_minutes(rate: float) -> int:
    """Return over how many market minutes a limit is held when time runs ``rate`` times as fast: one up to 30 times.

    A client that keeps to half of a limit in its own time is then within the limit here.
    """
    return 1 + int(BUNCHING_SECONDS * rate / 60)


class Meter:
    """A use of something, by address.

    Attributes:
        most: Most that any one address used within a market minute.
    """

    def __init__(self) -> None:
        self.most = 0
        self._log: dict[str, list[tuple[int, int]]] = {}

    @property
    def log(self) -> list[tuple[int, int]]:
        """What all addresses used: instants (ms since 1970) and amounts, ascending."""
        return sorted(entry for entries in self._log.values() for entry in entries)

    def add(self, address: str, at_ms: int, amount: int) -> None:
        """Note a use. It may be older than the last one that was noted."""
        entries = self._log.setdefault(address, [])
        insort(entries, (at_ms, amount))
        # A late entry is part of every minute that began up to a minute before it.
        ends = [at for at, _ in entries[bisect_right(entries, (at_ms, -1)) :] if at < at_ms + MINUTE_MS]
        self.most = max([self.most, *(self.spent(address, end, 1) for end in dict.fromkeys(ends))])
        if len(entries) > MOST_ENTRIES:
            del entries[: MOST_ENTRIES // 2]

    def spent(self, address: str, now_ms: int, minutes: int) -> int:
        """Return what an address used in the minutes up to an instant."""
        entries = self._log.get(address, [])
        first = bisect_right(entries, (now_ms - minutes * MINUTE_MS, 1 << 60))
        return sum(amount for at, amount in entries[first:] if at <= now_ms)
