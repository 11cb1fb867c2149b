"""Laws of the collector's session: in whatever order frames, drops and answers come, the table ends in the truth.

The machine below plays a market, an exchange with faults, and a table that decides as the real one does
(``btc_store``); the session under test is the real one. When the faults are over, every minute has exactly one state,
every confirmed candle is what the exchange says, and every change of a stored candle was kept.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from btc_core.model.candle import Candle, State, Verdict
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, subtract_ranges, to_ms
from collector.exchanges.hyperliquid import EXCHANGE
from collector.ledger import Answer, Ask, Plan
from collector.link import Timing
from collector.session import MEMORY, Drop, Mark, Replace, Send, Session, Store

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
SYMBOLS = ("BTC", "ETH")
HOUR = timedelta(hours=1)
PLAN = Plan(depth=EXCHANGE.history_depth, window=EXCHANGE.history_window)


def frame(symbol: str, time: datetime, trades: int, price: int) -> str:
    """Return a candle frame."""
    t = to_ms(time)
    values = {"t": t, "T": t + 59999, "s": symbol, "i": "1m", "o": "1", "h": "999", "l": "1", "c": str(price)}
    return json.dumps({"channel": "candle", "data": {**values, "v": str(trades), "n": trades}})


class Version(NamedTuple):
    """What a minute looks like after some of its trades."""

    trades: int
    close: int


class Stored(NamedTuple):
    """A row of the table."""

    version: Version
    state: State


class Table:
    """What the database decides (``btc_store/candles.py``), in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, datetime], Stored] = {}
        self.marks: dict[tuple[str, datetime], str] = {}
        self.changes: list[tuple[tuple[str, datetime], Version, Version]] = []
        self.revisions: list[tuple[tuple[str, datetime], Version]] = []

    def write(self, candle: Candle) -> None:
        """Take a candle of the stream."""
        key, version = (candle.symbol, candle.time), Version(candle.trades or 0, int(candle.close))
        held = self.rows.get(key)
        if held is None or version.trades > held.version.trades:
            self._put(key, Stored(version, State.PROVISIONAL))

    def confirm(self, ask: Ask, candles: list[Candle]) -> dict[datetime, Verdict]:
        """Take candles of history."""
        verdicts = {candle.time: self._judge(ask.symbol, candle) for candle in candles}
        for (symbol, time), held in self.rows.items():
            if symbol == ask.symbol and time in ask.range and time not in verdicts:
                verdicts[time] = Verdict.KEPT if held.state is State.CONFIRMED else Verdict.UNANSWERED
        return verdicts

    def _judge(self, symbol: str, candle: Candle) -> Verdict:
        key, version = (symbol, candle.time), Version(candle.trades or 0, int(candle.close))
        held = self.rows.get(key)
        if held is not None and version.trades < held.version.trades:
            self.rows[key] = Stored(held.version, State.PROVISIONAL)
            return Verdict.FEWER
        self._put(key, Stored(version, State.CONFIRMED))
        if held is None:
            return Verdict.NEW
        if version == held.version:
            return Verdict.SAME
        return Verdict.LOST_TAIL if version.trades > held.version.trades else Verdict.CONFLICT

    def _put(self, key: tuple[str, datetime], row: Stored) -> None:
        held = self.rows.get(key)
        if held is not None and held.version != row.version:
            self.changes.append((key, held.version, row.version))
            self.revisions.append((key, held.version))
        self.rows[key] = row
        self.marks.pop(key, None)


class UnderWay(NamedTuple):
    """A question, when it was put and is answered, and what history said then; None: nothing."""

    ask: Ask
    at: datetime
    until: datetime
    rows: list[Candle] | None


class Collecting(RuleBasedStateMachine):
    """A market of two coins, an exchange with faults, and the session between them and the table."""

    plan = PLAN

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.table = Table()
        # What the exchange knows: the versions of each minute and when each came to be.
        self.truth: dict[tuple[str, datetime], list[tuple[datetime, Version]]] = {}
        self.delayed: list[str] = []
        self.links: list[int] = []
        self.n_links = 0
        self.lag = timedelta()
        self.hole: datetime | None = None
        self.is_rest_away = self.is_table_away = False
        self.unwritten: list[Candle] = []
        # Questions without an answer yet: one of each kind and symbol, as the collector asks them.
        self.slowness = timedelta()
        self.under_way: dict[tuple[str, bool], UnderWay] = {}
        self.restated: set[tuple[str, datetime]] = set()

    @initialize()
    def start(self) -> None:
        """Trade a while before anybody looks, then begin."""
        for symbol in SYMBOLS:
            for i in range(-30, 0):
                self.truth[symbol, NOON + i * MINUTE] = [(NOON + i * MINUTE, Version(5, 5))]
        self.begin()
        self.connect()

    # The market

    @rule(symbol=st.sampled_from(SYMBOLS), n=st.integers(1, 3), fate=st.sampled_from(["now", "now", "later", "lost"]))
    def trade(self, symbol: str, n: int, fate: str) -> None:
        """Trade; the frame that tells it comes at once, later, or never."""
        minute = floor_minute(self.now)
        versions = self.truth.setdefault((symbol, minute), [])
        last = versions[-1][1].trades if versions else 0
        versions.append((self.now, Version(last + n, 10 + (last + n) % 90)))
        text = frame(symbol, minute, *versions[-1][1])
        if fate == "now":
            self.deliver(text)
        elif fate == "later":
            self.delayed.append(text)

    @rule(data=st.data())
    def deliver_late(self, data: st.DataObject) -> None:
        """One of the delayed frames comes, in any order, perhaps twice."""
        if self.delayed:
            self.deliver(data.draw(st.sampled_from(self.delayed)))
            self.delayed = self.delayed[1:]

    @rule(noise=st.one_of(st.text(max_size=20), st.binary(max_size=20), st.sampled_from(["null", "[]", "7", "{}"])))
    def deliver_noise(self, noise: str | bytes) -> None:
        """Something else comes."""
        self.deliver(noise)

    @rule(symbol=st.sampled_from(SYMBOLS), close=st.integers(100, 120))
    def restate(self, symbol: str, close: int) -> None:
        """The exchange changes a closed row of the last hour: as many trades, another close."""
        times = [
            time for s, time in self.truth if s == symbol and self.now - 60 * MINUTE < time < self.now - 5 * MINUTE
        ]
        if times:
            versions = self.truth[symbol, times[0]]
            versions.append((self.now, Version(versions[-1][1].trades, close)))
            self.restated.add((symbol, times[0]))

    # Time and faults

    @rule(seconds=st.one_of(st.integers(1, 5), st.sampled_from([15, 45, 60, 63, 75, 120, 600])))
    def wait(self, seconds: int) -> None:
        """Time passes: ticks at every deadline, questions when they are due."""
        self.pass_time(timedelta(seconds=seconds))

    @rule()
    def drop(self) -> None:
        """The connections break."""
        for number in self.links:
            self.do(self.session.disconnected(number, self.now))
        self.links = []

    @rule()
    def connect(self) -> None:
        """There is a connection again, or one more."""
        self.n_links += 1
        self.links.append(self.n_links)
        self.do(self.session.connected(self.n_links, self.now))

    @rule()
    def die(self) -> None:
        """The process is killed and another one starts."""
        self.links, self.unwritten, self.under_way = [], [], {}
        self.begin()

    @rule(seconds=st.sampled_from([0, 30, 90]))
    def lag_behind(self, seconds: int) -> None:
        """History shows what it knew some seconds ago."""
        self.lag = timedelta(seconds=seconds)

    @rule(seconds=st.sampled_from([0, 2, 40]))
    def answer_slowly(self, seconds: int) -> None:
        """A question is under way for so long."""
        self.slowness = timedelta(seconds=seconds)

    @rule(minutes=st.integers(0, 5))
    def lose_a_row(self, minutes: int) -> None:
        """History leaves out a row for a while."""
        self.hole = floor_minute(self.now) - minutes * MINUTE

    @rule(rest=st.booleans(), table=st.booleans())
    def go_away(self, *, rest: bool, table: bool) -> None:
        """History or the table is away, or back."""
        self.is_rest_away, self.is_table_away = rest, table

    # What has to hold

    @invariant()
    def every_change_is_kept(self) -> None:
        """What a row was before is in the revisions."""
        assert [(key, old) for key, old, _ in self.table.changes] == self.table.revisions

    @invariant()
    def nothing_is_invented(self) -> None:
        """Every stored version is one that the exchange has told."""
        for key, row in self.table.rows.items():
            assert row.version in [version for _, version in self.truth[key]]

    def teardown(self) -> None:
        """The faults end; half an hour later the table is the truth."""
        if not hasattr(self, "session"):
            return
        self.lag, self.hole, self.slowness = timedelta(), None, timedelta()
        self.go_away(rest=False, table=False)
        if not self.links:
            self.connect()
        # The market goes on, else history could not show that the last minutes had no trades.
        for _ in range(3):
            for symbol in SYMBOLS:
                self.trade(symbol, 1, "now")
            self.pass_time(MINUTE)
        end = self.now - MINUTE
        # The longest wait between two asks is 15 minutes; what the exchange restates is seen by the hourly look back.
        for patience, left_out in ((32 * MINUTE, self.restated), (100 * MINUTE, set())):
            self.pass_time(patience)
            for symbol in SYMBOLS:
                first = min(time for s, time in self.table.rows if s == symbol)
                times = (first + i * MINUTE for i in range((end - first) // MINUTE))
                for time in times:
                    assert (symbol, time) in left_out or self.check(symbol, time)

    def check(self, symbol: str, time: datetime) -> bool:
        """A minute that traded is confirmed with its last version; one that did not is known to be without trades."""
        versions = self.truth.get((symbol, time))
        row, mark = self.table.rows.get((symbol, time)), self.table.marks.get((symbol, time))
        if versions is None:
            assert (row, mark) == (None, "no_trade"), (symbol, time, self.now)
        else:
            assert mark is None
            assert row == Stored(versions[-1][1], State.CONFIRMED), (symbol, time)
        return True

    # The shell

    def begin(self) -> None:
        """Start a process: it knows what the table knows."""
        self.session = Session(EXCHANGE, Timing(), self.plan, dice=random.Random(0))
        for symbol in SYMBOLS:
            times = sorted(time for s, time in self.table.rows if s == symbol)
            runs = [(time, self.table.rows[symbol, time].state.value) for time in times]
            runs += [(time, mark) for (s, time), mark in self.table.marks.items() if s == symbol]
            ranges = [(TimeRange(time, time + MINUTE), state) for time, state in sorted(runs)]
            first = times[0] if times else None
            oldest = floor_minute(self.now - self.plan.depth) + MINUTE
            old = [TimeRange(first, oldest)] if first is not None and first < oldest else []
            lost = subtract_ranges(old, [known for known, _ in ranges])
            within = [(known, state) for known, state in ranges if known.start >= oldest]
            self.do(self.session.begin(symbol, symbol, first=first, runs=within, lost=lost, now=self.now))

    def deliver(self, text: str | bytes) -> None:
        """A message comes on the newest connection."""
        if self.links:
            self.do(self.session.frame(self.links[-1], text, self.now))

    def do(self, actions: list) -> None:
        """Do what the session wants."""
        for action in actions:
            match action:
                case Store(candles):
                    self.unwritten += candles
                case Mark(symbol, kind, ranges):
                    times = [part.start + i * MINUTE for part in ranges for i in range(part.n_minutes)]
                    held = {time for s, time in self.table.rows if s == symbol}
                    self.table.marks.update({(symbol, time): kind for time in times if time not in held})
                case Drop(link):
                    self.links = [number for number in self.links if number != link]
                    self.do(self.session.disconnected(link, self.now))
                case Replace():
                    self.connect()
                case Send(link, text) if link in self.links:
                    self.answer_message(link, json.loads(text))
                case _:
                    pass
        if not self.is_table_away:
            for candle in self.unwritten:
                self.table.write(candle)
            self.unwritten = []

    def answer_message(self, link: int, message: dict) -> None:
        """Acknowledge a subscription, answer a ping."""
        channel = "pong" if message["method"] == "ping" else "subscriptionResponse"
        self.do(self.session.frame(link, json.dumps({"channel": channel, "data": message}), self.now))

    def pass_time(self, duration: timedelta) -> None:
        """Tick when a deadline has come, ask when there is something to ask."""
        end = self.now + duration
        while self.now < end:
            times = [self.session.next_deadline, *(self.session.ask_time(symbol, self.now) for symbol in SYMBOLS)]
            times += [held.until for held in self.under_way.values()]
            later = [time for time in times if time is not None and time > self.now]
            self.now = min([end, *later])
            self.do(self.session.tick(self.now))
            if not self.links:
                self.connect()
            for symbol in SYMBOLS:
                for is_urgent in (True, False):
                    self.ask(symbol, is_urgent=is_urgent)

    def ask(self, symbol: str, *, is_urgent: bool) -> None:
        """Put the questions that are due, one after the other, and take the answers that have come."""
        place = symbol, is_urgent
        while True:
            if (held := self.under_way.get(place)) is None:
                ask = self.session.ask(symbol, self.now, is_urgent=is_urgent)
                if ask is None:
                    return
                rows = None if self.is_rest_away else self.history(ask)
                held = self.under_way[place] = UnderWay(ask, self.now, self.now + self.slowness, rows)
            if held.until > self.now:
                return
            del self.under_way[place]
            self.answer(held)

    def answer(self, held: UnderWay) -> None:
        """Hold what history said against the table."""
        if held.rows is None or self.is_table_away:
            self.session.unanswered(held.ask, due=self.now + timedelta(seconds=20))
            return
        settled_until = held.at - self.plan.confirm_after
        usable = [row for row in held.rows if row.time in held.ask.range and row.time + MINUTE <= settled_until]
        verdicts = self.table.confirm(held.ask, usable)
        around = (held.rows[0].time, held.rows[-1].time) if held.rows else None
        answer = Answer(verdicts=verdicts, rows=around, settled_until=settled_until)
        self.do(self.session.answered(held.ask, answer, usable, self.now))

    def history(self, ask: Ask) -> list[Candle]:
        """Return what history shows of a window now."""
        rows = []
        for (symbol, time), versions in sorted(self.truth.items()):
            known = [version for at, version in versions if at <= self.now - self.lag]
            if symbol == ask.symbol and time in ask.window and known and time != self.hole:
                rows.append(candle(symbol, time, known[-1]))
        return rows


def candle(symbol: str, time: datetime, version: Version) -> Candle:
    """Return a row of history."""
    return Candle(
        time=time, symbol=symbol, open=1, high=999, low=1, close=version.close, volume=version.trades,
        trades=version.trades, source="rest", state=State.CONFIRMED,
    )  # fmt: skip


class CollectingForLong(Collecting):
    """The same where history reaches back four hours, and may be away for longer."""

    plan = Plan(
        depth=4 * HOUR,
        window=3 * HOUR,
        hourly_reach=2 * HOUR,
        daily_reach=200 * MINUTE,
        no_trade_until=1 * HOUR,
        reach=200 * MINUTE,
    )

    def __init__(self) -> None:
        super().__init__()
        # What history may have lost before it could be asked.
        self.lost_before = NOON - 30 * MINUTE

    @rule(minutes=st.sampled_from([60, 230, 300]))
    def wait_long(self, minutes: int) -> None:
        """Hours pass, in which something is traded every few minutes, and nobody is told of it."""
        # A row that is left out for longer than anybody asks for it stays out.
        self.hole = None
        for _ in range(minutes // 7):
            for symbol in SYMBOLS:
                self.trade(symbol, 1, "lost")
            self.pass_time(7 * MINUTE)

    @rule(rest=st.booleans(), table=st.booleans())
    def go_away(self, *, rest: bool, table: bool) -> None:
        """History or the table is away, or back."""
        if self.is_rest_away or self.is_table_away:
            # A minute without trades is known by the rows on both sides of it.
            self.lost_before = self.now - self.plan.depth + 10 * MINUTE
        super().go_away(rest=rest, table=table)

    def history(self, ask: Ask) -> list[Candle]:
        """Return what history shows of a window now."""
        oldest = floor_minute(self.now - self.plan.depth) + MINUTE
        return [row for row in super().history(ask) if row.time >= oldest]

    def check(self, symbol: str, time: datetime) -> bool:
        """A minute that history may have lost has one state nevertheless, and none that is wrong."""
        if time >= self.lost_before:
            return super().check(symbol, time)
        row, mark = self.table.rows.get((symbol, time)), self.table.marks.get((symbol, time))
        assert (row is None) == (mark is not None), (symbol, time)
        if mark == "no_trade":
            assert (symbol, time) not in self.truth
        return True

    def do(self, actions: list) -> None:
        """What is known to be without trades is not given up."""
        for action in actions:
            if isinstance(action, Mark) and action.kind == "unrecoverable":
                for part in action.ranges:
                    for i in range(part.n_minutes):
                        assert self.table.marks.get((action.symbol, part.start + i * MINUTE)) != "no_trade"
        super().do(actions)


Collecting.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCollecting = Collecting.TestCase
CollectingForLong.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestCollectingForLong = CollectingForLong.TestCase


def session() -> Session:
    """Return a session that collects BTC."""
    one = Session(EXCHANGE, Timing(), PLAN)
    one.begin("BTC", "BTC", first=None, runs=[], lost=(), now=NOON)
    one.connected(1, NOON)
    return one


@given(texts=st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=40)), max_size=20))
def test_no_message_stops_the_session(texts):
    """Whatever bytes come, they are at most quarantined."""
    one = session()
    for text in texts:
        one.frame(1, text, NOON)


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
    """A frame of the right shape with any value in any field is stored, ignored or quarantined."""
    data = {**json.loads(frame("BTC", NOON, 1, 1))["data"], **fields}
    one = session()
    one.frame(1, json.dumps({"channel": channel, "data": data}), NOON)
    one.tick(NOON + MEMORY)
