"""One connection to the exchange's stream: what it still has to answer, and until when. Pure: no socket or clock."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The deadlines of a connection and of a minute, in market time.

    Attributes:
        close_after: A minute is closed this long after its end.
        ping: Between two pings.
        pong: A ping is answered within this time.
        silence: No message for so long: the connection is dead.
        ack: A subscription is confirmed within this time.
        early: A drop so soon after a subscription was sent is the answer to it.
        silent_coin: No candle of a coin for so long, while history shows trades: the connection is deaf.
        quarantine: How long a coin that kills connections is not subscribed to.
        overlap: How long a connection and the one that replaces it live side by side.
    """

    close_after: timedelta = timedelta(seconds=3)
    ping: timedelta = timedelta(seconds=15)
    pong: timedelta = timedelta(seconds=10)
    silence: timedelta = timedelta(seconds=30)
    ack: timedelta = timedelta(seconds=10)
    early: timedelta = timedelta(seconds=1)
    silent_coin: timedelta = timedelta(seconds=90)
    quarantine: timedelta = timedelta(seconds=900)
    overlap: timedelta = timedelta(seconds=10)


class Link:
    """The state of one connection.

    Attributes:
        number: Which connection it is, counted from 1.
        start: When it was made.
        has_candle: Whether it has brought a usable candle.
        is_leaving: Whether another connection is to replace it.

    Args:
        number: Which connection it is.
        now: The present instant.
        timing: The deadlines.
        rotate_time: When it is to be replaced.
        is_careful: Subscribe to one coin after the other: the last connection was killed by one of several.
    """

    def __init__(self, number: int, now: datetime, timing: Timing, *, rotate_time: datetime, is_careful: bool) -> None:
        self.number = number
        self.start = now
        self.has_candle = False
        self.is_leaving = False
        self._timing = timing
        self._is_careful = is_careful
        self._rotate_time: datetime | None = rotate_time
        self._ready_time: datetime | None = None
        self._waiting: list[str] = []
        self._asked: dict[str, datetime] = {}
        self._confirmed: dict[str, datetime] = {}
        self._ping_time = now + timing.ping
        self._pong_time: datetime | None = None
        self._silence_time = now + timing.silence

    @property
    def deadline(self) -> datetime:
        """When ``fault``, ``is_ping_due`` or one of the others has something new to say, at the latest."""
        times = [self._ping_time, self._silence_time]
        times += [time + self._timing.ack for time in self._asked.values()]
        times += [time for time in (self._pong_time, self._rotate_time) if time is not None]
        if self._ready_time is not None:
            times.append(self._ready_time + self._timing.overlap)
        return min(times)

    def want(self, coins: Iterable[str], now: datetime) -> list[str]:
        """Add coins; return those to subscribe to now."""
        known = {*self._waiting, *self._asked, *self._confirmed}
        self._waiting += [coin for coin in coins if coin not in known]
        return self._next(now)

    def leave_out(self, coin: str) -> bool:
        """Forget a coin; return whether it was subscribed to, or asked for."""
        if coin in self._waiting:
            self._waiting.remove(coin)
        was_asked = self._asked.pop(coin, None) is not None
        return (self._confirmed.pop(coin, None) is not None) or was_asked

    def confirm(self, coin: str, now: datetime) -> list[str]:
        """Note that a subscription works, by its acknowledgement or by a candle; return what to subscribe to next."""
        if coin not in self._asked:
            return []
        del self._asked[coin]
        self._confirmed[coin] = now
        return self._next(now)

    def hear(self, now: datetime) -> None:
        """Note that a message has come."""
        self._silence_time = now + self._timing.silence

    def hear_pong(self) -> None:
        """Note that the ping was answered."""
        self._pong_time = None

    def is_ping_due(self, now: datetime) -> bool:
        """Return whether to send a ping now, and count it as sent."""
        if now < self._ping_time:
            return False
        self._ping_time = now + self._timing.ping
        if self._pong_time is None:
            self._pong_time = now + self._timing.pong
        return True

    def is_rotation_due(self, now: datetime) -> bool:
        """Return, once, whether it is time for another connection to take over."""
        if self._rotate_time is None or now < self._rotate_time:
            return False
        self._rotate_time = None
        self.is_leaving = True
        return True

    def is_ready(self, now: datetime) -> bool:
        """Return whether it has been whole for so long that the one it replaces may go."""
        return self._ready_time is not None and now >= self._ready_time + self._timing.overlap

    def settle_in(self) -> None:
        """Stop the clock of ``is_ready``: there is nothing left to replace."""
        self._ready_time = None

    def hears(self, coin: str, since: datetime) -> bool:
        """Return whether the coin's subscription works since a time."""
        confirmed = self._confirmed.get(coin)
        return confirmed is not None and confirmed <= since

    def late_acks(self, now: datetime) -> list[str]:
        """Return the coins whose subscription was not confirmed in time."""
        return sorted(coin for coin, asked in self._asked.items() if now >= asked + self._timing.ack)

    def fault(self, now: datetime) -> str | None:
        """Return why the connection is of no use any more, as a constant word, or None."""
        if now >= self._silence_time:
            return "silence"
        if self._pong_time is not None and now >= self._pong_time:
            return "no_pong"
        return "no_ack" if self.late_acks(now) else None

    def suspects(self, now: datetime) -> list[str]:
        """Return the coins of which one has killed the connection, if it was dropped right now."""
        return sorted(coin for coin, asked in self._asked.items() if now - asked <= self._timing.early)

    def _next(self, now: datetime) -> list[str]:
        """Return what to subscribe to now: all that waits, or one by one."""
        if self._is_careful and self._asked:
            return []
        n_coins = 1 if self._is_careful else len(self._waiting)
        coins, self._waiting = self._waiting[:n_coins], self._waiting[n_coins:]
        self._asked.update(dict.fromkeys(coins, now))
        if not self._asked and self._ready_time is None:
            self._ready_time = now
        return coins
