"""The conversation with an exchange as a state machine: messages and ticks in, actions out.

Pure: no socket, task, clock or log. ``now`` is always the market clock's aware UTC time. Whoever holds the socket
(``collector/runner.py``) does the actions in the order in which they come.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from btc_core.model.candle import Candle, State, candle_fault
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, format_time
from collector.exchange import Ack, Exchange, Ignored, Malformed, Refusal, Update, Updates
from collector.minutes import Minutes

# A better version of a closed minute is a correction for so long. The latest on record came 2.56 s after the end.
MEMORY = timedelta(hours=1)
# Clocks differ by some hundred milliseconds; a minute that opens later than this is no matter of clocks.
FUTURE = timedelta(seconds=5)
# Minutes before the last known one that are asked for again: their stream may have been cut in the middle.
OVERLAP = 5 * MINUTE


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The deadlines of a session, in market time.

    Attributes:
        close_after: A minute is closed this long after its end.
        ping: Between two pings.
        silence: No message for so long: the connection is dead.
        ack: A subscription is confirmed within this time, or the connection is of no use.
        seam: So long after the connect, and after the end of the minute it fell into, history is asked for again.
    """

    close_after: timedelta = timedelta(seconds=3)
    ping: timedelta = timedelta(seconds=15)
    silence: timedelta = timedelta(seconds=30)
    ack: timedelta = timedelta(seconds=10)
    seam: timedelta = timedelta(seconds=20)


class Send(msgspec.Struct, frozen=True):
    """Send a message to the exchange."""

    text: str


class Store(msgspec.Struct, frozen=True):
    """Store closed candles; ``is_urgent`` where a minute has just closed."""

    candles: tuple[Candle, ...]
    is_urgent: bool


class Fetch(msgspec.Struct, frozen=True):
    """Ask for the history of a symbol and hand it to ``backfilled``."""

    symbol: str
    coin: str
    range: TimeRange


class Reconnect(msgspec.Struct, frozen=True):
    """Drop the connection and make another."""

    reason: str


class Alarm(msgspec.Struct, frozen=True):
    """Something that must not be passed over in silence."""

    event: str
    fields: dict[str, str | int | float]


Action = Send | Store | Fetch | Reconnect | Alarm


class _Link:
    """The deadlines of one connection."""

    def __init__(self, now: datetime, coins: Sequence[str], timing: Timing) -> None:
        self.start = now
        self.unconfirmed = set(coins)
        self.ack_time = now + timing.ack
        self.ping_time = now + timing.ping
        self.silence_time = now + timing.silence
        # What is under way at the connect may have had its last trade before it: no message tells, history will.
        self.seam_times = sorted({now + timing.seam, floor_minute(now) + MINUTE + timing.seam})

    @property
    def deadlines(self) -> list[datetime]:
        acks = [self.ack_time] if self.unconfirmed else []
        return [self.ping_time, self.silence_time, *self.seam_times, *acks]


class Session:
    """What one exchange says, minute by minute, over any number of connections.

    Attributes:
        n_messages: Messages taken so far.
        had_candle: Whether the present or last connection has brought a usable candle.

    Args:
        exchange: Whose messages they are.
        coins: The exchange's name of every symbol that is collected.
        covered: Up to which minute every symbol is stored without a hole, None where nothing is.
        timing: Deadlines.
    """

    def __init__(
        self, exchange: Exchange, coins: Mapping[str, str], covered: Mapping[str, datetime | None], timing: Timing
    ) -> None:
        self._exchange = exchange
        self._coins = dict(coins)
        self._symbols = {coin: symbol for symbol, coin in coins.items()}
        self._timing = timing
        self._minutes = Minutes(close_after=timing.close_after, memory=MEMORY)
        # History was asked for up to here. Not what the stream brought since: a lost message cannot be seen.
        self._covered = {symbol: covered.get(symbol) for symbol in coins}
        self._link: _Link | None = None
        self.n_messages = 0
        self.had_candle = False

    @property
    def next_deadline(self) -> datetime | None:
        """When ``tick`` has something to do at the latest."""
        close = self._minutes.next_close
        deadlines = [close] if close is not None else []
        return min(deadlines + (self._link.deadlines if self._link is not None else []), default=None)

    def connected(self, now: datetime) -> list[Action]:
        """Start a connection: subscribe first, then ask for what was missed, so that the two overlap."""
        self._link = _Link(now, list(self._symbols), self._timing)
        self.had_candle = False
        subscribe: list[Action] = [Send(self._exchange.subscribe_text(coin)) for coin in self._symbols]
        return subscribe + self._fetches(now) + self._due(now)

    def disconnected(self, now: datetime) -> list[Action]:
        """End a connection. Minutes under way stay: they are closed in time, and history corrects them."""
        self._link = None
        return self._due(now)

    def frame(self, text: str | bytes, now: datetime) -> list[Action]:
        """Take a message of the stream."""
        self.n_messages += 1
        if self._link is not None:
            self._link.silence_time = now + self._timing.silence
        return self._answer(text, now) + self._due(now)

    def tick(self, now: datetime) -> list[Action]:
        """Let time pass."""
        return self._due(now)

    def backfilled(self, fetch: Fetch, rows: Sequence[Candle | Malformed]) -> list[Action]:
        """Take closed candles of the history; they are stored unless the stream has seen more trades."""
        stored: list[Candle] = []
        alarms: list[Action] = []
        for row in rows:
            fault = row.reason if isinstance(row, Malformed) else candle_fault(row)
            if isinstance(row, Malformed) or fault is not None:
                alarms.append(Alarm("row refused", {"symbol": fetch.symbol, "reason": fault or "", "text": str(row)}))
            elif self._minutes.settle(row):
                stored.append(row)
            elif row.state is State.CONFIRMED:
                alarms.append(Alarm("history has fewer trades than the stream", _name(row)))
        return [*alarms, Store(tuple(stored), is_urgent=False)] if stored else alarms

    def fetched(self, fetch: Fetch) -> None:
        """Note that a range of history was asked for and what it brought is stored."""
        covered = self._covered[fetch.symbol]
        if covered is None or fetch.range.start <= covered:
            self._covered[fetch.symbol] = max(covered or fetch.range.start, fetch.range.end)

    def lost(self, symbol: str, lost: TimeRange) -> list[Action]:
        """Ask again for candles that were closed and could not be kept."""
        self._minutes.forget(symbol, lost)
        return [Fetch(symbol, self._coins[symbol], lost)]

    def _fetches(self, now: datetime) -> list[Action]:
        """Ask for what was not asked for yet, as far back as the exchange goes."""
        actions: list[Action] = []
        oldest = floor_minute(now - self._exchange.history_depth)
        for symbol, coin in self._coins.items():
            covered = self._covered[symbol]
            if covered is not None and covered + MINUTE < oldest:
                lost = {"symbol": symbol, "from_time": format_time(covered), "until_time": format_time(oldest)}
                actions.append(Alarm("minutes are older than the exchange's history", {**lost}))
            # Asked for once is asked for: an empty start is set here, so that what follows adds to it.
            start = oldest if covered is None else max(oldest, floor_minute(covered) - OVERLAP)
            self._covered[symbol] = start if covered is None else max(oldest, covered)
            if start < now:
                actions.append(Fetch(symbol, coin, TimeRange(start, now)))
        return actions

    def _answer(self, text: str | bytes, now: datetime) -> list[Action]:
        match self._exchange.parse_message(text):
            case Updates(items):
                return [action for item in items for action in self._take(item, now)]
            case Ack(coin):
                self._confirm(coin)
            case Refusal(coin, said):
                # The other subscriptions live on; this one would be refused on the next connection too.
                self._confirm(coin)
                return [Alarm("exchange refuses a message", {"coin": coin or "", "text": said})]
            case Malformed(reason, shown):
                return [Alarm("message refused", {"reason": reason, "text": shown})]
            case Ignored():
                pass
        return []

    def _confirm(self, coin: str | None) -> None:
        if self._link is not None and coin is not None:
            self._link.unconfirmed.discard(coin)

    def _take(self, update: Update | Malformed, now: datetime) -> list[Action]:
        """Take a candle of the stream, or say why not."""
        if isinstance(update, Malformed):
            return [Alarm("message refused", {"reason": update.reason, "text": update.text})]
        symbol = self._symbols.get(update.coin)
        if symbol is None:
            return [Alarm("candle of an unknown coin", {"coin": update.coin})]
        candle = update.candle(symbol, source="ws", state=State.PROVISIONAL)
        fault = candle_fault(candle)
        if update.time > now + FUTURE:
            fault = "the minute lies in the future"
        elif update.time < now - MEMORY:
            fault = "the minute is long over"
        if fault is not None:
            return [Alarm("candle refused", {**_name(candle), "reason": fault})]
        self.had_candle = True
        correction = self._minutes.see(candle)
        return [Store((correction,), is_urgent=False)] if correction is not None else []

    def _due(self, now: datetime) -> list[Action]:
        """Return what time alone brings: minutes to close, pings, deadlines that have passed."""
        closed = self._minutes.close(now)
        actions: list[Action] = [Store(tuple(closed), is_urgent=True)] if closed else []
        link = self._link
        if link is None:
            return actions
        if now >= link.silence_time:
            return [*actions, self._give_up("no message in time")]
        if link.unconfirmed and now >= link.ack_time:
            return [*actions, self._give_up(f"no answer to the subscription of {', '.join(sorted(link.unconfirmed))}")]
        if now >= link.ping_time:
            link.ping_time = now + self._timing.ping
            actions.append(Send(self._exchange.ping_text()))
        if link.seam_times and now >= link.seam_times[0]:
            link.seam_times = [time for time in link.seam_times if time > now]
            seam = TimeRange(floor_minute(link.start) - OVERLAP, now)
            actions += [Fetch(symbol, coin, seam) for symbol, coin in self._coins.items()]
        return actions

    def _give_up(self, reason: str) -> Reconnect:
        self._link = None
        return Reconnect(reason)


def _name(candle: Candle) -> dict[str, str | int | float]:
    return {"symbol": candle.symbol, "time": format_time(candle.time)}
