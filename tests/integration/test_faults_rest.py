"""REST that refuses, fails, is late or is wrong: one invariant (``tests/faulty.py``)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from btc_core.model.timerange import MINUTE, from_ms
from btc_store.settings import Settings
from collector.rest import OTHER_TURNS, URGENT_TURNS
from demo.answer import Answer
from demo.exchange import Exchange
from demo.faults.answers import RowsFault
from demo.faults.fault import Spell
from demo.faults.script import fault
from demo.http import HttpRequest
from demo.wire import Row
from tests.faulty import Play, Playing, figures, health, play, said
from tests.stalls import real_time

pytestmark = real_time

# What the collector may spend of the exchange's 1200 a minute.
CEILING = 600
RESTS = (60, 120, 240, 300)
# On a fast clock a busy machine alone brings frames after their minute was closed.
JITTER = {"late_frame"}
FAILING = {
    "500": fault("rest_error", status=500),
    "502": fault("rest_error", status=502),
    "503": fault("rest_error", status=503),
    "null": fault("rest_null"),
    "empty": fault("rest_empty"),
    "cut": fault("rest_cut"),
    "timeout": fault("rest_timeout"),
    # Longer than anybody waits.
    "slow": fault("rest_slow", seconds=400),
}


class Question(msgspec.Struct, frozen=True):
    """What was asked when, what the client got, and when; market time."""

    kind: str
    asked_at: datetime
    answer: Answer
    answered_at: datetime

    @property
    def rows(self) -> list[Row]:
        """The candles of the answer."""
        is_candles = self.kind == "candleSnapshot" and self.answer.status == HTTPStatus.OK
        return msgspec.json.decode(self.answer.body, type=list[Row]) if is_candles else []


@pytest.fixture
def playing(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path) -> Playing:
    """A play on a database of its own."""
    return partial(play, database_url, settings_for, tmp_path)


@pytest.fixture(autouse=True)
def _strict_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three minutes are three minutes for ``/healthz``, however little of real time they are."""
    monkeypatch.setattr("collector.health.LEAST_STALE_SECONDS", 0)


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Every request to REST in the order of the answers."""
    log: list[Question] = []
    true_answer = Exchange.answer

    async def answer(exchange: Exchange, request: HttpRequest) -> Answer:
        asked_at = from_ms(exchange.now_ms())
        given = await true_answer(exchange, request)
        kind = msgspec.json.decode(request.body)["type"]
        log.append(Question(kind, asked_at, given, from_ms(exchange.now_ms())))
        return given

    monkeypatch.setattr(Exchange, "answer", answer)
    return log


async def test_a_429_stops_all_rest_while_the_socket_goes_on(playing, caplog, questions):
    """Nothing is asked for 60 s, then 120, 240 and 300; minutes come in all the while and are confirmed later."""
    caplog.set_level("INFO")
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("rest_error", status=429)):
            await one.until(lambda: _is_paused(caplog))
            await one.until(lambda: _are_rests(questions))
            assert await one.n_in_state("BTC", "provisional") >= 6
        await one.reached(one.now())
        await one.heals()
        assert (await figures(caplog))['collector_rest_requests_total{outcome="limited"}'] == len(_limited(questions))
        assert one.exchange.n_links == 1
        assert 0 < one.exchange.weights.most <= CEILING
    # What was under way at once is refused together.
    assert len(_limited(questions)) <= (len(RESTS) + 1) * (URGENT_TURNS + OTHER_TURNS)


async def _is_paused(log: pytest.LogCaptureFixture) -> bool:
    code, body = await health(log)
    return code == HTTPStatus.SERVICE_UNAVAILABLE and "REST is paused until" in body["symbols"]["BTC"]["reason"]


def _limited(questions: list[Question]) -> list[Question]:
    return [question for question in questions if question.answer.status == HTTPStatus.TOO_MANY_REQUESTS]


def _are_rests(questions: list[Question]) -> bool:
    """Return whether nothing was asked for each of the four lengths, one after the other."""
    times = sorted(question.asked_at for question in questions if question.asked_at >= _limited(questions)[0].asked_at)
    silences = iter([after - before for before, after in pairwise(times)])
    return all(any(silence >= timedelta(seconds=length) for silence in silences) for length in RESTS)


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING)
async def test_rest_that_fails_is_asked_again(playing, caplog, monkeypatch, failing):
    """Whatever comes instead of an answer, nothing is made of it; the socket goes on, and all is confirmed later."""
    caplog.set_level("INFO")
    monkeypatch.setattr("collector.rest.LEAST_ANSWER_SECONDS", 0.3)
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(failing):
            await one.until(lambda: said(caplog, "history is asked again"))
            await one.until(lambda: _are_waiting(one, 3))
        await one.reached(one.now())
        await one.heals()
        assert (await figures(caplog))['collector_rest_requests_total{outcome="failed"}'] > 0
        assert one.exchange.n_links == 1
        assert await one.reasons() <= JITTER
        assert 0 < one.exchange.weights.most <= CEILING


async def _are_waiting(one: Play, n_minutes: int) -> bool:
    return await one.n_in_state("BTC", "provisional") >= n_minutes


async def test_a_slow_answer_is_as_old_as_its_question(playing, questions):
    """What was open when the question was put is not taken, although its minute is over when the answer comes."""
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("rest_slow", seconds=50)):
            end = await one.pass_time(timedelta(minutes=6))
        await one.reached(end)
        await one.heals()
        assert await one.never_wrong()
    slow = [question for question in questions if question.answered_at - question.asked_at > timedelta(seconds=50)]
    assert any(_was_open(row, question) for question in slow for row in question.rows)


def _was_open(row: Row, question: Question) -> bool:
    """Return whether a row's minute ended between question and answer."""
    return question.asked_at < from_ms(row.open_ms) + MINUTE <= question.answered_at


async def test_rest_that_is_behind(playing, questions):
    """Rows as they stood 30 s ago have fewer trades than the stream saw: never taken, and asked again."""
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)

        def is_told_too_little() -> bool:
            ended = [
                row
                for question in questions
                for row in question.rows
                if from_ms(row.open_ms) + MINUTE < question.asked_at
            ]
            return any(row.trades < one.truth(row.coin, from_ms(row.open_ms))[-1] for row in ended)

        async with one.during(fault("rest_behind", seconds=30)):
            # A question that a busy machine puts later is answered rightly.
            await one.until(is_told_too_little)
            end = await one.pass_time(timedelta(minutes=6))
        await one.reached(end)
        await one.heals()
        assert await one.never_wrong()


async def test_rest_that_is_behind_and_no_stream(playing):
    """A row that is stored too early is corrected by the second question, and what was stored before is kept."""
    async with playing(symbols={"BTC": None}, rate=200) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("rest_behind", seconds=30), fault("stall")):
            await one.until(lambda: one.findings("correction"))
        await one.reached(one.now())
        await one.heals()
        assert {row["severity"] for row in await one.findings("correction")} == {"info"}
        assert "lost_tail" in await one.reasons()


async def test_rest_that_differs_at_equal_trades_is_right(playing, caplog):
    """It is the exchange's last word: taken, kept as a revision, and told as a finding that is over at once."""
    caplog.set_level("INFO")
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("rest_differs", truth="rest")):
            await one.until(lambda: _are_in_conflict(one, 3))
        await one.reached(one.now())
        await one.heals()
        assert await one.reasons() - JITTER == {"conflict"}
        findings = await one.findings("conflict")
        assert {row["severity"] for row in findings} == {"info"} and all(row["resolved_at"] for row in findings)
        assert (await figures(caplog))['collector_corrections_total{reason="conflict"}'] == len(findings)


async def test_rest_that_differs_and_is_wrong_for_a_while(playing):
    """What it takes back later is found by the hourly look: both changes stand in the revisions."""
    async with playing(symbols={"BTC": None}, rate=1800) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("rest_differs", truth="stream")):
            await one.until(lambda: _are_in_conflict(one, 3))
        await one.heals()
        assert len(await one.findings("conflict")) >= 6


async def _are_in_conflict(one: Play, n_minutes: int) -> bool:
    found = await one.findings("conflict")
    return all(sum(row["symbol"] == symbol for row in found) >= n_minutes for symbol in one.coins)


@pytest.mark.parametrize(("n_more", "reason", "kind"), [(3, "lost_tail", "correction"), (0, "conflict", "conflict")])
async def test_a_closed_row_that_changes_after_an_hour(playing, n_more, reason, kind):
    """The hourly look over two hours finds it: taken, kept as a revision, and told."""
    async with playing(symbols={"BTC": None}, rate=1800) as one:
        one.start -= timedelta(hours=2)
        async with one.collecting():
            # The first daily look comes some ten minutes after a start; it shall not be the one that finds it.
            await one.reached(one.start + timedelta(hours=2, minutes=15))
            one.exchange.begin(fault("changed_row", age=3600, trades=n_more))
            complaints = await one.complaints("BTC", end=one.now() - timedelta(minutes=30))
            assert len(complaints) == 1 and "the truth is" in complaints[0]
            await one.heals()
            assert await one.reasons() - JITTER == {reason}
            (finding,) = await one.findings(kind)
            assert finding["resolved_at"] is not None


class FewerTrades(RowsFault, frozen=True):
    """Rows of the minutes that begin while it lasts lack a trade, until it ends."""

    def rows(self, spell: Spell, rows: list[Row]) -> list[Row]:
        """Take it away."""
        return [
            msgspec.structs.replace(row, trades=row.trades - 1)
            if spell.holds_at(row.open_ms) and row.trades > 1
            else row
            for row in rows
        ]


async def test_rest_with_fewer_trades_for_ever(playing, caplog):
    """Never overwritten: provisional, an open finding and an alarm, until REST catches up."""
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(FewerTrades()):
            await one.until(lambda: one.findings("conflict"))
            finding = (await one.findings("conflict"))[0]
            assert finding["severity"] == "error" and finding["resolved_at"] is None
            place = finding["symbol"], finding["start_time"]
            row = await one.connection.fetchrow("SELECT * FROM candles WHERE symbol = $1 AND time = $2", *place)
            assert (row["state"], row["source"], row["trades"]) == ("provisional", "ws", one.truth(*place)[-1])
            assert said(caplog, "history has fewer trades than the stream")
        await one.heals()
        assert all(row["resolved_at"] for row in await one.findings("conflict"))
        assert await one.reasons() <= JITTER


async def test_a_history_that_begins_later_than_asked(playing, caplog):
    """What lies before its first row is missing, not without trades; when it is back it is confirmed."""
    async with playing() as one:
        async with one.collecting():
            await one.reached(one.start + MINUTE)
        newest = await one.newest("BTC")
        await one.pass_time(timedelta(minutes=12))
        async with one.during(fault("rest_horizon", n_rows=4)), one.collecting():
            await one.until(lambda: said(caplog, "minutes are missing"))
            assert await one.states("BTC", newest + MINUTE, n=6) == ["missing"] * 6
            assert not await one.findings("no_trade")
        async with one.collecting():
            await one.heals()


async def test_a_hole_in_the_middle_of_history(playing):
    """With rows on both sides it looks like minutes without trades; it is asked again, and confirmed at last."""
    hole = fault("rest_hole", age=1800, minutes=10)
    async with playing(faults=[hole]) as one, one.collecting():
        await one.until(lambda: _is_quiet(one))
        one.exchange.end(hole)
        one.start -= timedelta(hours=1)
        await one.until(lambda: _has_no_quiet_minute(one))
        await one.heals()
        assert all(row["resolved_at"] for row in await one.findings("no_trade"))


async def _is_quiet(one: Play) -> bool:
    states = [await one.states(symbol, one.start - 30 * MINUTE, n=10) for symbol in one.coins]
    return states == [["no_trade"] * 10] * 2


async def _has_no_quiet_minute(one: Play) -> bool:
    return not sum([await one.n_in_state(symbol, "no_trade") for symbol in one.coins])


@pytest.mark.parametrize("kind", ["rest_long", "rest_descending", "rest_duplicates"])
async def test_answers_in_another_shape(playing, questions, kind):
    """More rows than exist, rows in descending order, every row twice: the same candles."""
    async with playing(faults=[fault(kind)], symbols={"BTC": None}) as one, one.collecting():
        one.start -= timedelta(hours=80)
        await one.reached(one.now())
        await one.heals()
        assert await one.never_wrong()
    times = max(([row.open_ms for row in question.rows] for question in questions), key=len)
    if kind == "rest_long":
        assert len(times) >= 5001
    elif kind == "rest_descending":
        assert times == sorted(times, reverse=True) and len(times) > 4000
    else:
        assert len(times) == 2 * len(set(times)) > 8000
