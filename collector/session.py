"""The conversation with an exchange as a state machine: messages, ticks and answers in, actions out.

Pure: no socket, task, clock or log. ``now`` is always the market clock's aware UTC time. Whoever holds the sockets
(``collector/runner.py``) does the actions in the order in which they come.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from btc_core.model.candle import Candle, State, Verdict, candle_fault
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, format_time
from collector.exchange import Ack, Exchange, Ignored, Malformed, Pong, Refusal, Update, Updates
from collector.ledger import Answer, Ask, Ledger, Plan
from collector.link import Link, Timing
from collector.minutes import Minutes

# A better version of a closed minute is a correction for so long; after that the table alone remembers it.
MEMORY = timedelta(hours=1)
# Clocks differ by some hundred milliseconds; a minute that opens later than this is no matter of clocks.
FUTURE = timedelta(seconds=5)


class Send(msgspec.Struct, frozen=True):
    """Send a message on a connection."""

    link: int
    text: str


class Store(msgspec.Struct, frozen=True):
    """Store closed candles; ``is_urgent`` where a minute has just closed, ``is_late`` where it had closed before."""

    candles: tuple[Candle, ...]
    is_urgent: bool
    is_late: bool = False


class Look(msgspec.Struct, frozen=True):
    """There may be something to ask about a symbol."""

    symbol: str


class Mark(msgspec.Struct, frozen=True):
    """Write down that minutes have a state of their own: ``no_trade`` or ``unrecoverable``."""

    symbol: str
    kind: str
    ranges: tuple[TimeRange, ...]
    severity: str


class Dispute(msgspec.Struct, frozen=True):
    """Write down that history keeps lacking trades that are stored."""

    symbol: str
    ranges: tuple[TimeRange, ...]


class Drop(msgspec.Struct, frozen=True):
    """End a connection; ``reason`` is a constant word, ``detail`` is for people."""

    link: int
    reason: str
    detail: str = ""


class Replace(msgspec.Struct, frozen=True):
    """Make another connection beside this one, which goes when the other is ready."""

    link: int


class Quarantine(msgspec.Struct, frozen=True):
    """Keep a message, or a row, that cannot be used."""

    symbol: str
    reason: str
    text: str


class Works(msgspec.Struct, frozen=True):
    """A connection has brought its first candle."""

    link: int


class Late(msgspec.Struct, frozen=True):
    """A candle has come so many seconds after the end of its minute."""

    seconds: float


class Alarm(msgspec.Struct, frozen=True):
    """Something that must not be passed over in silence."""

    event: str
    fields: dict[str, str | int | float]


Action = Send | Store | Look | Mark | Dispute | Drop | Replace | Quarantine | Works | Late | Alarm
# What cannot be tied to a symbol of ours.
NO_SYMBOL = ""


class Session:
    """What one exchange says, minute by minute, over any number of connections and by its history.

    Attributes:
        n_messages: Messages taken so far.
        last_frame: When each symbol's last usable candle came.

    Args:
        exchange: Whose messages they are.
        timing: Deadlines of connections and minutes.
        plan: When history is asked for.
        rotate_after: A connection is replaced after so long,
        rotate_jitter: give or take so much.
        always_trades: Symbols for which a minute without trades is an alarm.
        dice: Where the jitter comes from.
    """

    def __init__(
        self,
        exchange: Exchange,
        timing: Timing,
        plan: Plan,
        *,
        rotate_after: timedelta = timedelta(seconds=9000),
        rotate_jitter: timedelta = timedelta(seconds=300),
        always_trades: Sequence[str] = (),
        dice: random.Random | None = None,
    ) -> None:
        self._exchange = exchange
        self._timing = timing
        self._plan = plan
        self._rotate_after = rotate_after
        self._rotate_jitter = rotate_jitter
        self._always_trades = frozenset(always_trades)
        self._dice = dice or random.Random()
        self._symbols: dict[str, str] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._links: dict[int, Link] = {}
        self._minutes = Minutes(close_after=timing.close_after, memory=MEMORY)
        self._quarantine: dict[str, datetime] = {}
        self._late_acks: set[str] = set()
        self._is_careful = False
        self._next_minute: datetime | None = None
        self.n_messages = 0
        self.last_frame: dict[str, datetime] = {}

    @property
    def next_deadline(self) -> datetime | None:
        """When ``tick`` has something to do at the latest."""
        times = [link.deadline for link in self._links.values()]
        times += [time for time in (self._minutes.next_close, self._next_minute) if time is not None]
        if self._links:
            times += self._quarantine.values()
        return min(times, default=None)

    @property
    def coins(self) -> dict[str, str]:
        """The coin of every symbol that is collected."""
        return {symbol: coin for coin, symbol in self._symbols.items()}

    def ledger(self, symbol: str) -> Ledger:
        """Return what is in doubt about a symbol."""
        return self._ledgers[symbol]

    def quarantined_until(self, coin: str) -> datetime | None:
        """Return until when a coin is not subscribed to, None where it is."""
        return self._quarantine.get(coin)

    # Symbols

    def begin(
        self,
        symbol: str,
        coin: str,
        *,
        first: datetime | None,
        runs: Sequence[tuple[TimeRange, str]],
        lost: Sequence[TimeRange],
        now: datetime,
    ) -> list[Action]:
        """Collect a symbol from now on.

        Args:
            symbol: Our name of it.
            coin: The exchange's.
            first: The oldest stored minute.
            runs: What the table knows of the minutes that history still has: ranges and their state.
            lost: Minutes that are not stored and that history has no longer.
            now: The present instant.
        """
        ledger = Ledger(symbol, coin, self._plan, first=first, now=now)
        ledger.take_stock(runs, now)
        self._symbols[coin] = symbol
        self._ledgers[symbol] = ledger
        self._next_minute = floor_minute(now) + MINUTE
        subscribed = [action for link in self._links.values() for action in self._subscribe(link, [coin], now)]
        return [*self._give_up(symbol, lost), *subscribed, Look(symbol)]

    def end(self, symbol: str) -> list[Action]:
        """Stop collecting a symbol; what is under way of it is closed and stored."""
        coin = self._ledgers.pop(symbol).coin
        del self._symbols[coin]
        self._quarantine.pop(coin, None)
        text = self._exchange.unsubscribe_text(coin)
        return [Send(number, text) for number, link in self._links.items() if link.leave_out(coin)]

    # Connections

    def connected(self, number: int, now: datetime) -> list[Action]:
        """Start a connection: subscribe first, then ask for what was missed, so that the two overlap."""
        jitter = self._dice.uniform(-1, 1) * self._rotate_jitter
        rotate_time = now + self._rotate_after + jitter
        link = Link(number, now, self._timing, rotate_time=rotate_time, is_careful=self._is_careful)
        self._links[number] = link
        self._is_careful = False
        actions = self._subscribe(link, [coin for coin in self._symbols if coin not in self._quarantine], now)
        for symbol, ledger in self._ledgers.items():
            # Silence is counted from here: what was missed before is no fault of this connection.
            self.last_frame[symbol] = now
            ledger.hasten(now)
            actions.append(Look(symbol))
        return actions + self._due(now)

    def disconnected(self, number: int, now: datetime) -> list[Action]:
        """End a connection. Minutes under way stay: they are closed in time, and history corrects them."""
        link = self._links.pop(number, None)
        actions: list[Action] = []
        if link is not None:
            suspects = link.suspects(now)
            if len(suspects) == 1:
                actions.append(self._shut_out(suspects[0], now, "the connection was dropped when it was subscribed to"))
            # One of several: the next connection subscribes to them one by one and finds out.
            self._is_careful = len(suspects) > 1
        return actions + self._due(now)

    def frame(self, number: int, text: str | bytes, now: datetime) -> list[Action]:
        """Take a message of a connection."""
        self.n_messages += 1
        link = self._links.get(number)
        if link is not None:
            link.hear(now)
        return self._read(link, text, now)

    def tick(self, now: datetime) -> list[Action]:
        """Let time pass."""
        return self._due(now)

    # History

    def ask(self, symbol: str, now: datetime, *, is_urgent: bool) -> Ask | None:
        """Return the next question about a symbol, or None."""
        ledger = self._ledgers.get(symbol)
        return ledger.take(now, is_urgent=is_urgent) if ledger is not None else None

    def ask_time(self, symbol: str, now: datetime) -> datetime | None:
        """Return when, after now, there is something new to ask about a symbol."""
        ledger = self._ledgers.get(symbol)
        return ledger.next_time(now) if ledger is not None else None

    def unanswered(self, ask: Ask, *, due: datetime) -> None:
        """Take back a question that was not answered, or whose answer could not be stored."""
        ledger = self._ledgers.get(ask.symbol)
        if ledger is not None:
            ledger.put_back(ask, due=due)

    def answered(self, ask: Ask, answer: Answer, traded: Sequence[Candle], now: datetime) -> list[Action]:
        """Take the verdicts on what history has answered.

        Args:
            ask: The question.
            answer: What came of it.
            traded: The rows that were stored.
            now: The present instant.
        """
        ledger = self._ledgers.get(ask.symbol)
        if ledger is None:
            return []
        outcome = ledger.settle(ask, answer, now)
        actions: list[Action] = [Look(ask.symbol)]
        if outcome.missing:
            actions.append(Alarm("minutes are missing", _ranges(ask.symbol, outcome.missing)))
        if outcome.quiet:
            actions += self._quiet(ask.symbol, outcome.quiet)
        if outcome.disputed:
            actions.append(Dispute(ask.symbol, tuple(outcome.disputed)))
            actions.append(Alarm("history has fewer trades than the stream", _ranges(ask.symbol, outcome.disputed)))
        actions += self._give_up(ask.symbol, outcome.given_up)
        return actions + self._deaf(ask, answer, traded, now)

    def lost(self, symbol: str, lost: TimeRange, now: datetime) -> list[Action]:
        """Ask again for candles that were closed and could not be kept."""
        self._minutes.forget(symbol, lost)
        if symbol in self._ledgers:
            self._ledgers[symbol].note(lost, due=now)
        return [Look(symbol)]

    # What is behind them

    def _subscribe(self, link: Link, coins: Sequence[str], now: datetime) -> list[Action]:
        return [Send(link.number, self._exchange.subscribe_text(coin)) for coin in link.want(coins, now)]

    def _confirm(self, link: Link | None, coin: str | None, now: datetime) -> list[Action]:
        if link is None or coin is None:
            return []
        self._late_acks.discard(coin)
        return [Send(link.number, self._exchange.subscribe_text(next_coin)) for next_coin in link.confirm(coin, now)]

    def _shut_out(self, coin: str, now: datetime, reason: str) -> Alarm:
        self._quarantine[coin] = now + self._timing.quarantine
        fields = {"coin": coin, "reason": reason, "until": format_time(self._quarantine[coin])}
        return Alarm("coin is in quarantine", {**fields})

    def _read(self, link: Link | None, text: str | bytes, now: datetime) -> list[Action]:
        message = self._exchange.parse_message(text)
        match message:
            case Updates(items):
                return [action for item in items for action in self._take(link, item, text, now)]
            case Ack(coin):
                return self._confirm(link, coin, now)
            case Pong():
                if link is not None:
                    link.hear_pong()
            case Refusal(coin, said):
                # The other subscriptions live on; this one would be refused on the next connection too.
                alarm = Alarm("exchange refuses a message", {"coin": coin or "", "text": said})
                if link is None or coin is None or not link.leave_out(coin):
                    return [alarm]
                return [alarm, self._shut_out(coin, now, said)]
            case Malformed():
                return [self._refuse(message, text)]
            case Ignored():
                pass
        return []

    def _take(self, link: Link | None, update: Update | Malformed, text: str | bytes, now: datetime) -> list[Action]:
        """Take a candle of the stream, or say why not."""
        if isinstance(update, Malformed):
            return [self._refuse(update, text)]
        symbol = self._symbols.get(update.coin)
        if symbol is None:
            return [Quarantine(NO_SYMBOL, "the coin is not collected", _shown(text))]
        candle = update.candle(symbol, source="ws", state=State.PROVISIONAL)
        fault = candle_fault(candle)
        if update.time > now + FUTURE:
            fault = "the minute lies in the future"
        elif update.time < now - self._plan.reach:
            fault = "the minute is older than history can confirm"
        if fault is not None:
            return [Quarantine(symbol, fault, _shown(text))]
        actions = self._confirm(link, update.coin, now)
        if link is not None and not link.has_candle:
            link.has_candle = True
            actions.append(Works(link.number))
        self.last_frame[symbol] = now
        end = candle.time + MINUTE
        if now >= end:
            actions.append(Late((now - end).total_seconds()))
        correction = self._minutes.see(candle)
        if correction is not None:
            actions += self._correct(correction, now)
        return actions

    def _refuse(self, found: Malformed, text: str | bytes) -> Quarantine:
        return Quarantine(self._symbols.get(found.coin or "", NO_SYMBOL), found.reason, _shown(text))

    def _correct(self, candle: Candle, now: datetime) -> list[Action]:
        """Store a version that came after its minute was closed, and have history say what is true."""
        minute = TimeRange(candle.time, candle.time + MINUTE)
        self._ledgers[candle.symbol].note(minute, due=now + self._plan.confirm_after)
        return [Store((candle,), is_urgent=True, is_late=True), Look(candle.symbol)]

    def _due(self, now: datetime) -> list[Action]:
        """Return what time alone brings: minutes to close and to ask for, pings, deadlines that have passed."""
        actions = self._close(now)
        if self._next_minute is not None and now >= self._next_minute:
            self._next_minute = floor_minute(now) + MINUTE
            for symbol, ledger in self._ledgers.items():
                actions += [*self._give_up(symbol, ledger.advance(now)), Look(symbol)]
        for coin in [coin for coin, until in self._quarantine.items() if now >= until]:
            del self._quarantine[coin]
            if coin in self._symbols:
                actions += [act for link in self._links.values() for act in self._subscribe(link, [coin], now)]
        for link in tuple(self._links.values()):
            actions += self._watch(link, now)
        return actions

    def _close(self, now: datetime) -> list[Action]:
        closed = self._minutes.close(now)
        for candle in closed:
            ledger = self._ledgers.get(candle.symbol)
            if ledger is None:
                continue
            ledger.hear(candle.time, now)
            minute = TimeRange(candle.time, candle.time + MINUTE)
            # A minute that was long over when the stream told of it: history was asked for it before.
            if minute.end + self._plan.confirm_after <= now:
                ledger.note(minute, due=now)
        return [Store(tuple(closed), is_urgent=True)] if closed else []

    def _watch(self, link: Link, now: datetime) -> list[Action]:
        """Return what a connection's deadlines bring."""
        fault = link.fault(now)
        if fault is not None:
            return self._abandon(link, fault, now)
        actions: list[Action] = []
        if link.is_ping_due(now):
            actions.append(Send(link.number, self._exchange.ping_text()))
        if link.is_rotation_due(now):
            actions.append(Replace(link.number))
        if link.is_ready(now):
            link.settle_in()
            leaving = [other.number for other in self._links.values() if other.is_leaving and other is not link]
            actions += [Drop(number, "rotated") for number in leaving if not link.is_leaving]
        return actions

    def _abandon(self, link: Link, fault: str, now: datetime) -> list[Action]:
        late = link.late_acks(now) if fault == "no_ack" else []
        # Twice in a row unanswered: the others shall not lose their connection over this one again.
        actions: list[Action] = [
            self._shut_out(coin, now, "its subscription is never confirmed") for coin in late if coin in self._late_acks
        ]
        self._late_acks = set(late)
        del self._links[link.number]
        return [*actions, Drop(link.number, fault, ", ".join(late))]

    def _deaf(self, ask: Ask, answer: Answer, traded: Sequence[Candle], now: datetime) -> list[Action]:
        """Drop the connections that do not bring a coin although it trades."""
        silent_since = self.last_frame.get(ask.symbol)
        if silent_since is None or now - silent_since < self._timing.silent_coin:
            return []
        unheard = (Verdict.NEW, Verdict.LOST_TAIL)
        times = [candle.time for candle in traded if candle.trades and answer.verdicts.get(candle.time) in unheard]
        times = [time for time in times if time >= silent_since]
        deaf = [link for link in self._links.values() if any(link.hears(ask.coin, time) for time in times)]
        for link in deaf:
            del self._links[link.number]
        return [Drop(link.number, "silent_coin", ask.coin) for link in deaf]

    def _quiet(self, symbol: str, ranges: Sequence[TimeRange]) -> list[Action]:
        is_alarm = symbol in self._always_trades
        mark = Mark(symbol, "no_trade", tuple(ranges), "error" if is_alarm else "info")
        return [mark, *([Alarm("no trades in a market that always trades", _ranges(symbol, ranges))] * is_alarm)]

    def _give_up(self, symbol: str, ranges: Sequence[TimeRange]) -> list[Action]:
        if not ranges:
            return []
        alarm = Alarm("minutes are older than the exchange's history", _ranges(symbol, ranges))
        return [Mark(symbol, "unrecoverable", tuple(ranges), "error"), alarm]


def _shown(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "replace")


def _ranges(symbol: str, ranges: Sequence[TimeRange]) -> dict[str, str | int | float]:
    n_minutes = sum(minutes.n_minutes for minutes in ranges)
    first, last = ranges[0], ranges[-1]
    return {
        "symbol": symbol,
        "from_time": format_time(first.start),
        "until_time": format_time(last.end),
        "n": n_minutes,
    }
