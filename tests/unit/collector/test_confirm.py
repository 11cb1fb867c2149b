"""The questions to history: a real server on this machine, the real session, a clock that only waiting moves."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest

from btc_core.errors import DatabaseError
from btc_core.model.candle import Candle, State, Verdict
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, from_ms, subtract_ranges, to_ms
from collector.alarms import Alarms
from collector.clock import ClockCheck, ClockWatch
from collector.confirm import REFUSED_WAIT_SECONDS, Confirmer
from collector.exchanges.hyperliquid import EXCHANGE
from collector.ledger import Kind, Plan
from collector.link import Timing
from collector.metrics import Metrics
from collector.rest import Limits, open_rest
from collector.session import Action, Look, Mark, Quarantine, Session
from demo.answer import Answer
from demo.http import serve_requests
from tests.flying_waits import NOON, FlyingWaits

PATIENCE_SECONDS = 30
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
PLAN = Plan(depth=EXCHANGE.history_depth, window=EXCHANGE.history_window)
SYMBOL, COIN = "UBTC/USDC", "@142"


class SteppedWaits(FlyingWaits):
    """A clock that only the test moves: whoever waits is held until then.

    Attributes:
        n_waiting: How many tasks wait now.
    """

    def __init__(self) -> None:
        super().__init__()
        self.n_waiting = 0

    async def sleep(self, market_seconds: float) -> None:
        """Wait until so much time has passed."""
        self.slept.append(market_seconds)
        await self.until(self.now() + timedelta(seconds=market_seconds), asyncio.Event())

    async def until(self, instant: datetime | None, woken: asyncio.Event) -> None:
        """Wait for the instant or the event."""
        self.n_waiting += 1
        while not woken.is_set() and (instant is None or instant > self.now()):
            await asyncio.sleep(0)
        self.n_waiting -= 1
        woken.clear()


@dataclass
class FakeHistory:
    """What the exchange answers: every minute up to the one that is open, but for some.

    Attributes:
        waits: Its clock.
        lacks: Minutes that it does not have.
        changed: What it says otherwise of a minute.
        faults: What the next questions get instead of an answer.
        asked: Every question: when, and from which minute to which.
    """

    waits: FlyingWaits
    lacks: set[datetime] = field(default_factory=set)
    changed: dict[datetime, dict[str, object]] = field(default_factory=dict)
    faults: list[Answer] = field(default_factory=list)
    asked: list[tuple[datetime, datetime, datetime]] = field(default_factory=list)

    async def answer(self, request) -> Answer:
        """Answer one question."""
        asked = json.loads(request.body)["req"]
        assert (asked["coin"], asked["interval"]) == (COIN, "1m")
        first, last = from_ms(asked["startTime"]), from_ms(asked["endTime"])
        self.asked.append((self.waits.now(), first, last))
        if self.faults:
            return self.faults.pop(0)
        last = min(last, floor_minute(self.waits.now()))
        minutes = [first + i * MINUTE for i in range((last - first) // MINUTE + 1)]
        rows = [{**row(minute), **self.changed.get(minute, {})} for minute in minutes if minute not in self.lacks]
        return answer_of(HTTPStatus.OK, json.dumps(rows))


def row(minute: datetime) -> dict[str, object]:
    """Return the row of a minute."""
    t = to_ms(minute)
    return {"t": t, "T": t + 59999, "s": COIN, "i": "1m", **dict.fromkeys("ohlc", "1.0"), "v": "5.0", "n": 5}


class FakeStore:
    """A table of confirmed minutes that tells what it was asked to compare.

    Attributes:
        compared: The questions: symbol, window, and the minutes of the rows.
        verdicts: What it says otherwise of a minute.
        n_failures: So many of the next comparisons fail.
    """

    def __init__(self, log: list[str]) -> None:
        self.compared: list[tuple[str, TimeRange, list[Candle]]] = []
        self.verdicts: dict[datetime, Verdict] = {}
        self.n_failures = 0
        self._log = log

    async def confirm(self, symbol: str, window: TimeRange, candles: Sequence[Candle]) -> dict[datetime, Verdict]:
        """Say that all is as it should be."""
        self._log.append("confirm")
        await asyncio.sleep(0)
        if self.n_failures:
            self.n_failures -= 1
            raise DatabaseError("no usable database")
        self.compared.append((symbol, window, list(candles)))
        return {candle.time: self.verdicts.get(candle.time, Verdict.SAME) for candle in candles}


class FakeWriter:
    """Flushes, or cannot."""

    def __init__(self, log: list[str]) -> None:
        self.n_failures = 0
        self.is_away = False
        self._log = log

    async def flush(self) -> None:
        """Store what the stream brought."""
        self._log.append("flush")
        await asyncio.sleep(0)
        if self.n_failures:
            self.n_failures -= 1
            raise DatabaseError("no usable database")


class Rig:
    """A confirmer and what is around it."""

    def __init__(self) -> None:
        self.waits, self.metrics = SteppedWaits(), Metrics()
        self.history = FakeHistory(self.waits)
        self.log: list[str] = []
        self.store, self.writer = FakeStore(self.log), FakeWriter(self.log)
        self.session = Session(EXCHANGE, Timing(), PLAN)
        self.watch = ClockWatch(alarm=2 * SECOND, stop=10 * SECOND, every=300 * SECOND)
        self.done: list[Action] = []
        self.confirmer: Confirmer
        self.tasks: list[asyncio.Task[None]] = []

    def begin(self, *holes: TimeRange) -> None:
        """Collect UBTC/USDC, of which the last 83 hours are stored and confirmed, but for some holes."""
        stored = TimeRange(NOON - 5000 * MINUTE, NOON)
        runs = [(part, "confirmed") for part in subtract_ranges([stored], holes)]
        self.session.begin(SYMBOL, COIN, first=stored.start, runs=runs, lost=(), now=self.waits.now())

    def believe(self, offset: timedelta) -> None:
        """Have looked at the exchange's clock: ours is ahead by so much."""
        now = self.waits.now()
        check = ClockCheck(exchange=now - offset, ours=now, round_trip=timedelta())
        self.watch.take(check, self.waits.elapsed(), timedelta())

    async def pass_time(self, duration: timedelta) -> None:
        """Let time pass second by second; what is to be asked is asked and answered before the next one."""
        await self.settle()
        for _ in range(duration // SECOND):
            self.waits.pass_(1)
            self.do(self.session.tick(self.waits.now()))
            await self.settle()

    async def settle(self) -> None:
        """Wait until everybody waits for time to pass. Who is released notices within a turn of the loop."""
        for _ in range(3):
            await asyncio.sleep(0)
        while self.waits.n_waiting < len(self.tasks):
            assert not any(task.done() for task in self.tasks)
            await asyncio.sleep(0)

    def do(self, actions: Sequence[Action]) -> None:
        """Note actions, and do what is the confirmer's."""
        self.done += actions
        if any(isinstance(action, Look) for action in actions):
            self.confirmer.look(SYMBOL)

    @asynccontextmanager
    async def working(self, *urgencies: bool) -> AsyncIterator[None]:
        """Ask in the background."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(asyncio.CancelledError):
                await serve_requests(reader, writer, self.history.answer)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/info"
            async with open_rest(url, EXCHANGE, self.waits, Limits(answer_seconds=PATIENCE_SECONDS)) as rest:
                self.confirmer = Confirmer(
                    self.session,
                    rest,
                    self.writer,
                    self.store,
                    do=self.do,
                    watch=self.watch,
                    confirm_after=PLAN.confirm_after,
                    waits=self.waits,
                    alarms=Alarms(self.metrics.alarms),
                    metrics=self.metrics,
                )
                work = self.confirmer.work
                self.tasks = [asyncio.create_task(work(SYMBOL, is_urgent=is_urgent)) for is_urgent in urgencies]
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        yield
                finally:
                    for task in self.tasks:
                        task.cancel()
                    await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def compared_times(self) -> set[datetime]:
        """The minutes of which a row was held against the table."""
        return {candle.time for _, _, candles in self.store.compared for candle in candles}

    def told(self, kind: type[Action]) -> list[Action]:
        """Return what was told of a kind."""
        return [action for action in self.done if isinstance(action, kind)]


def answer_of(status: HTTPStatus, body: str, content_type: str = "application/json") -> Answer:
    """Return an answer."""
    return Answer(status=status, body=body.encode(), content_type=content_type)


def minute_at(n: int) -> TimeRange:
    """Return the n-th minute after noon."""
    return TimeRange(NOON + n * MINUTE, NOON + (n + 1) * MINUTE)


@pytest.fixture
def rig() -> Rig:
    """A symbol of which all is confirmed, at noon."""
    made = Rig()
    made.begin()
    return made


async def test_each_minute_is_asked_for_and_confirmed(rig):
    """15 s after its end, by one small question a minute, which is about our symbol by the exchange's name."""
    async with rig.working(True):
        await rig.pass_time(10 * MINUTE)
    assert [at for at, _, _ in rig.history.asked] == [NOON + n * MINUTE + 15 * SECOND for n in range(1, 10)]
    assert all(last - first <= 15 * MINUTE for _, first, last in rig.history.asked)
    assert rig.compared_times >= {NOON + n * MINUTE for n in range(9)}
    confirmed = [candle for _, _, candles in rig.store.compared for candle in candles]
    assert {(c.symbol, c.source, c.state, c.trades) for c in confirmed} == {(SYMBOL, "rest", State.CONFIRMED, 5)}
    assert rig.session.ledger(SYMBOL).newest_settled == NOON + 8 * MINUTE


@pytest.mark.parametrize("offset", [-5, 0, 5])
async def test_a_row_that_can_still_change_is_never_compared(rig, offset):
    """The answer holds the open minute, and what has ended seconds ago, by the exchange's clock or by ours."""
    rig.believe(offset * SECOND)
    async with rig.working(True):
        await rig.pass_time(10 * MINUTE)
    margin = (15 + max(0, offset)) * SECOND
    for (asked_at, _, last), (_, window, candles) in zip(rig.history.asked, rig.store.compared, strict=True):
        assert last >= floor_minute(asked_at)
        assert all(candle.time in window and candle.time + MINUTE <= asked_at - margin for candle in candles)
    assert rig.session.ledger(SYMBOL).newest_settled >= NOON + 7 * MINUTE


async def test_what_was_open_when_it_was_asked_for_is_open_however_late_the_answer_comes(rig):
    """A slow exchange: the age of a row is that of the question."""
    answer = rig.history.answer

    async def dawdle(request) -> Answer:
        told = await answer(request)
        rig.waits.pass_(50)
        return told

    rig.history.answer = dawdle
    async with rig.working(True):
        await rig.pass_time(10 * MINUTE)
    for (asked_at, _, _), (_, _, candles) in zip(rig.history.asked, rig.store.compared, strict=True):
        assert all(candle.time + MINUTE <= asked_at - 15 * SECOND for candle in candles)
    assert rig.session.ledger(SYMBOL).newest_settled >= NOON + 7 * MINUTE


async def test_what_the_stream_brought_is_stored_before_it_is_compared(rig):
    """Else a candle that is still in memory would be taken for one that the stream did not bring."""
    async with rig.working(True):
        await rig.pass_time(5 * MINUTE)
    assert rig.log == ["flush", "confirm"] * 4


@pytest.mark.parametrize(
    "fault",
    [
        answer_of(HTTPStatus.SERVICE_UNAVAILABLE, "<html>", "text/html"),
        answer_of(HTTPStatus.INTERNAL_SERVER_ERROR, "null"),
        answer_of(HTTPStatus.OK, "null"),
        answer_of(HTTPStatus.OK, ""),
        answer_of(HTTPStatus.OK, '[{"t"'),
        answer_of(HTTPStatus.TOO_MANY_REQUESTS, "null"),
        answer_of(HTTPStatus.UNPROCESSABLE_ENTITY, "Failed to deserialize", "text/plain"),
    ],
    ids=lambda fault: f"{fault.status} {fault.body[:5]}",
)
async def test_a_failed_question_is_asked_again(rig, fault):
    """Nothing of it is stored, no minute is forgotten, and an alarm says so."""
    rig.history.faults = [fault] * 2
    async with rig.working(True, False):
        await rig.pass_time(20 * MINUTE)
    assert rig.compared_times >= {NOON + n * MINUTE for n in range(19)}
    assert rig.metrics._events.labels("history is asked again")._value.get() == 2


async def test_a_request_that_is_our_fault_is_not_repeated_soon(rig):
    """It would be refused for the same reason."""
    rig.history.faults = [answer_of(HTTPStatus.UNPROCESSABLE_ENTITY, "Failed", "text/plain")]
    async with rig.working(True):
        await rig.pass_time(70 * SECOND)
        assert len(rig.history.asked) == 0
        await rig.pass_time(60 * SECOND)
        assert len(rig.history.asked) == 1
        due = rig.session.ask_time(SYMBOL, rig.waits.now() + 5 * MINUTE)
    assert due == NOON + 75 * SECOND + timedelta(seconds=REFUSED_WAIT_SECONDS)


async def test_a_database_that_is_away_costs_no_minute(rig):
    """Where the stream's candles cannot be stored nothing is compared; the question is asked again either way."""
    rig.writer.n_failures, rig.store.n_failures = 2, 2
    async with rig.working(True):
        await rig.pass_time(10 * MINUTE)
    assert rig.log[:6] == ["flush", "flush", "flush", "confirm", "flush", "confirm"]
    assert rig.store.compared[0][1].start == NOON
    assert rig.session.ledger(SYMBOL).newest_settled == NOON + 8 * MINUTE


async def test_by_a_wrong_clock_nothing_is_asked(rig):
    """A clock that is an hour ahead would make every open candle a closed one. When it is right again, all is asked."""
    rig.believe(11 * SECOND)
    async with rig.working(True, False):
        await rig.pass_time(5 * MINUTE)
        assert rig.history.asked == []
        rig.believe(timedelta())
        await rig.pass_time(MINUTE)
    assert rig.compared_times >= {NOON + n * MINUTE for n in range(5)}
    assert rig.session.ledger(SYMBOL).newest_settled == NOON + 4 * MINUTE


@pytest.mark.parametrize("wrong", [{"v": "-1"}, {"h": "0.5"}, {"T": 0}, {"n": 0}, {"o": None}])
async def test_a_row_that_cannot_be_true_is_quarantined(rig, wrong):
    """With its text and its reason; its minute is missing, not without trades, and the other rows are taken."""
    rig.history.changed[NOON + MINUTE] = wrong
    async with rig.working(True):
        await rig.pass_time(200 * SECOND)
    quarantined = rig.told(Quarantine)
    assert {item.symbol for item in quarantined} == {SYMBOL}
    assert all(item.reason and COIN in item.text for item in quarantined)
    assert NOON in rig.compared_times
    assert NOON + MINUTE not in rig.compared_times
    assert rig.told(Mark) == []
    assert rig.session.ledger(SYMBOL).n_minutes(Kind.MISSING) == 1


async def test_a_minute_without_a_row_between_others_is_without_trades(rig):
    """What the session concludes is done: a mark, once."""
    rig.history.lacks.add(NOON + MINUTE)
    async with rig.working(True):
        await rig.pass_time(10 * MINUTE)
    assert [(mark.kind, mark.ranges) for mark in rig.told(Mark)] == [("no_trade", (minute_at(1),))]


async def test_corrections_are_counted_by_their_reason(rig):
    """What history knew better."""
    wrong = (Verdict.LOST_TAIL, Verdict.LOST_TAIL, Verdict.CONFLICT, Verdict.IMPORTED)
    rig.store.verdicts = {NOON + n * MINUTE: verdict for n, verdict in enumerate(wrong)}
    async with rig.working(True):
        await rig.pass_time(75 * SECOND)
        rig.store.verdicts.pop(NOON)
        await rig.pass_time(60 * SECOND)
        rig.store.verdicts.pop(NOON + MINUTE)
        await rig.pass_time(60 * SECOND)
        rig.store.verdicts.pop(NOON + 2 * MINUTE)
        await rig.pass_time(60 * SECOND)
    counted = {
        code: rig.metrics._corrections.labels(code)._value.get() for code in ("lost_tail", "conflict", "imported")
    }
    assert counted == {"lost_tail": 2, "conflict": 1, "imported": 1}


async def test_what_must_be_asked_now_is(rig):
    """Minutes that were closed and could not be kept: whoever waits for the next minute is woken."""
    async with rig.working(True, False):
        await rig.pass_time(SECOND)
        rig.do(rig.session.lost(SYMBOL, TimeRange(NOON - HOUR, NOON - HOUR + 3 * MINUTE), rig.waits.now()))
        await rig.settle()
        assert rig.store.compared[0][1] == TimeRange(NOON - HOUR, NOON - HOUR + 3 * MINUTE)
    assert [at for at, _, _ in rig.history.asked] == [NOON + SECOND]


async def test_history_does_not_hold_up_what_is_live():
    """A long question that hangs: each minute is confirmed in time all the same."""
    rig = Rig()
    rig.begin(TimeRange(NOON - 4000 * MINUTE, NOON - 60 * MINUTE))
    release = asyncio.Event()
    answer = rig.history.answer

    async def hang_where_long(request) -> Answer:
        asked = json.loads(request.body)["req"]
        if asked["endTime"] - asked["startTime"] > 1000 * 60_000:
            rig.waits.n_waiting += 1
            await release.wait()
            rig.waits.n_waiting -= 1
        return await answer(request)

    rig.history.answer = hang_where_long
    async with rig.working(True, False):
        await rig.pass_time(5 * MINUTE)
        assert rig.session.ledger(SYMBOL).newest_settled == NOON + 3 * MINUTE
        assert len(rig.history.asked) == 4
        release.set()
        await rig.settle()
        await rig.settle()
    assert any(window.n_minutes == 3940 for _, window, _ in rig.store.compared)


async def test_a_symbol_that_is_no_longer_collected_is_not_asked_for(rig):
    """Also where its answer is on the way: nothing is concluded from it."""
    answer = rig.history.answer

    async def end_meanwhile(request) -> Answer:
        rig.session.end(SYMBOL)
        return await answer(request)

    rig.history.answer = end_meanwhile
    async with rig.working(True, False):
        await rig.pass_time(5 * MINUTE)
    assert [at for at, _, _ in rig.history.asked] == [NOON + 75 * SECOND]
    assert {type(action) for action in rig.done} == {Look}
