"""The closed candles that wait for the database: a bounded buffer and its decisions. Pure: no task, clock or log."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from btc_core.model.candle import Candle
from btc_core.model.timerange import MINUTE, TimeRange, merge_ranges
from collector.minutes import rank


class _Entry(msgspec.Struct):
    candle: Candle
    due: datetime


class Buffer:
    """Candles by symbol and minute, the best version of each.

    A full buffer drops its oldest minutes and remembers which: the exchange has them for days, so they are fetched
    again when the database is back.

    Args:
        capacity: Candles held at most.
        flush_candles: With so many a flush is due at once.
        flush_after: A candle waits at most this long for company.
    """

    def __init__(self, *, capacity: int, flush_candles: int, flush_after: timedelta) -> None:
        self._capacity = capacity
        self._flush_candles = flush_candles
        self._flush_after = flush_after
        self._entries: dict[tuple[str, datetime], _Entry] = {}
        self._lost: dict[str, list[TimeRange]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, candles: Iterable[Candle], now: datetime, *, is_urgent: bool) -> int:
        """Take candles; return how many old ones had to go."""
        due = now if is_urgent else now + self._flush_after
        for candle in candles:
            key = candle.symbol, candle.time
            held = self._entries.get(key)
            if held is None:
                self._entries[key] = _Entry(candle, due)
            elif rank(candle) > rank(held.candle):
                self._entries[key] = _Entry(candle, min(due, held.due))
        n_dropped = max(0, len(self._entries) - self._capacity)
        for _ in range(n_dropped):
            self._drop(min(self._entries, key=lambda key: key[1]))
        return n_dropped

    @property
    def due_time(self) -> datetime | None:
        """When the next flush is due, None where there is nothing to flush. In the past: at once."""
        if not self._entries:
            return None
        first = min(entry.due for entry in self._entries.values())
        return first - self._flush_after if len(self._entries) >= self._flush_candles else first

    def batch(self) -> list[Candle]:
        """Return all candles, in the one order in which every writer takes its locks. They stay until ``settle``."""
        return [self._entries[key].candle for key in sorted(self._entries)]

    def settle(self, stored: Iterable[Candle]) -> None:
        """Let go of what is stored; a better version that came meanwhile stays."""
        for candle in stored:
            held = self._entries.get((candle.symbol, candle.time))
            if held is not None and held.candle is candle:
                del self._entries[candle.symbol, candle.time]

    def take_lost(self) -> list[tuple[str, TimeRange]]:
        """Return the ranges whose candles were dropped, and forget them."""
        lost = [(symbol, item) for symbol, ranges in self._lost.items() for item in ranges]
        self._lost = {}
        return lost

    def _drop(self, key: tuple[str, datetime]) -> None:
        symbol, time = key
        del self._entries[key]
        self._lost[symbol] = merge_ranges([*self._lost.get(symbol, []), TimeRange(time, time + MINUTE)])
