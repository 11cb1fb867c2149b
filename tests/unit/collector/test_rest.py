"""Questions to the exchange: what is an answer, what is tried again, what it may cost."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from btc_core.errors import ExchangeError
from btc_core.model.candle import State
from btc_core.model.timerange import MINUTE, TimeRange, to_ms
from collector.exchanges.hyperliquid import EXCHANGE
from collector.rest import TRIES, Budget, RestClient, answer_fault, is_transient
from collector.session import Fetch

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "hyperliquid"
NOW = datetime(2025, 2, 14, 12, tzinfo=UTC)
CLOSE_AFTER = timedelta(seconds=3)


class FakeWaits:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.instant = NOW
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the fake instant."""
        return self.instant

    async def sleep(self, market_seconds: float) -> None:
        """Move on at once."""
        self.slept.append(market_seconds)
        self.instant += timedelta(seconds=market_seconds)


def candle_row(time: datetime) -> dict[str, object]:
    """Return a row of history."""
    t = to_ms(time)
    prices = {"o": "1", "c": "1", "h": "1", "l": "1"}
    return {"t": t, "T": t + 59999, "s": "BTC", "i": "1m", **prices, "v": "1", "n": 1}


async def ask(*answers: httpx.Response | Exception, end: datetime = NOW, waits: FakeWaits | None = None):
    """Ask for ten minutes of history of an exchange that gives these answers in turn."""
    turn = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content)["type"] == "candleSnapshot"
        assert request.headers["content-type"] == "application/json"
        given = next(turn)
        if isinstance(given, Exception):
            raise given
        return given

    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), headers=headers) as client:
        rest = RestClient(client, "http://exchange/info", EXCHANGE, waits or FakeWaits())
        fetch = Fetch("BTC", "BTC", TimeRange(end - 10 * MINUTE, end))
        return await rest.history(fetch, close_after=CLOSE_AFTER)


@pytest.mark.parametrize("entry", json.loads((FIXTURES / "rest_errors_observed.json").read_text()))
def test_every_error_on_record_is_a_fault(entry):
    """Refusals, limits, outages and ``null``: each is a sentence, none is an empty list."""
    assert answer_fault(entry["status"], entry["content_type"] or "", entry["body"].encode())
    assert is_transient(entry["status"]) is (entry["status"] not in (400, 415, 422))


def test_json_is_an_answer():
    """An empty list is a valid answer, a page is none."""
    assert answer_fault(200, "application/json", b"[]") is None
    assert answer_fault(200, "text/html", b"<html>")


async def test_the_open_minute_is_never_returned():
    """The answer holds it, with nothing to tell it from a closed one: rows count from 3 s after their end."""
    waits = FakeWaits()
    waits.instant = NOW + timedelta(seconds=2)
    rows = [candle_row(NOW + i * MINUTE) for i in (-3, -2, -1, 0)]
    found = await ask(httpx.Response(200, json=rows), end=waits.instant, waits=waits)
    assert [candle.time for candle in found] == [NOW - 3 * MINUTE, NOW - 2 * MINUTE]


async def test_a_row_is_confirmed_fifteen_seconds_after_its_end():
    """A younger one is provisional: when a row is final is not documented."""
    waits = FakeWaits()
    waits.instant = NOW + timedelta(seconds=14)
    found = await ask(httpx.Response(200, json=[candle_row(NOW - 2 * MINUTE), candle_row(NOW - MINUTE)]), waits=waits)
    assert [(candle.source, candle.state) for candle in found] == [
        ("rest", State.CONFIRMED),
        ("rest", State.PROVISIONAL),
    ]


async def test_the_time_of_asking_decides_not_the_time_of_the_answer():
    """An answer under way for long shows the market as it was when it was asked: its open minute must not pass."""
    waits = FakeWaits()

    def answer(request: httpx.Request) -> httpx.Response:
        waits.instant += MINUTE
        return httpx.Response(200, json=[candle_row(NOW)])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        rest = RestClient(client, "http://exchange/info", EXCHANGE, waits)
        fetch = Fetch("BTC", "BTC", TimeRange(NOW, NOW + 2 * MINUTE))
        assert await rest.history(fetch, close_after=CLOSE_AFTER) == []


async def test_what_may_pass_is_tried_again():
    """An outage, a broken connection and the limit; after the limit the wait is longer."""
    waits = FakeWaits()
    outage, limit = httpx.Response(502, text="<html>"), httpx.Response(429, json=None)
    assert await ask(outage, httpx.ConnectError("gone"), limit, httpx.Response(200, json=[]), waits=waits) == []
    assert waits.slept[0] <= 1
    assert waits.slept[1] <= 2
    assert waits.slept[2] >= 20


async def test_an_exchange_that_stays_away_is_an_error():
    """Tries are bounded, and the sentence says what came last."""
    with pytest.raises(ExchangeError, match="502"):
        await ask(*[httpx.Response(502, text="<html>") for _ in range(TRIES)])
    with pytest.raises(ExchangeError, match="ReadTimeout"):
        await ask(*[httpx.ReadTimeout("slow") for _ in range(TRIES)])


async def test_a_wrong_question_is_not_asked_twice():
    """422 says that our request is at fault: no try changes that."""
    with pytest.raises(ExchangeError, match="422"):
        await ask(httpx.Response(422, text="Failed to deserialize"))


async def test_null_is_no_empty_list():
    """It is what an unknown coin gets, with status 200."""
    with pytest.raises(ExchangeError, match="null"):
        await ask(*[httpx.Response(200, content=b"null", headers={"content-type": "application/json"})] * TRIES)


def test_the_budget_holds_for_any_minute():
    """600 of the exchange's 1200 a minute; a request waits until enough of the past is a minute old."""
    budget = Budget(600)
    for i in range(6):
        assert budget.free_time(100, NOW + timedelta(seconds=i)) == NOW + timedelta(seconds=i)
        budget.spend(100, NOW + timedelta(seconds=i))
    at = NOW + timedelta(seconds=6)
    assert budget.free_time(100, at) == NOW + MINUTE
    assert budget.free_time(150, at) == NOW + MINUTE + timedelta(seconds=1)
    assert budget.spent(at) == 600
    assert budget.spent(NOW + MINUTE) == 500


async def test_markets_come_from_both_lists():
    """Perps and spot pairs are two questions."""
    bodies = {name: json.loads((FIXTURES / f"rest_{name}_20250822.json").read_text()) for name in ("meta", "spotMeta")}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=bodies[json.loads(request.content)["type"]]["response"])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        rest = RestClient(client, "http://exchange/info", EXCHANGE, FakeWaits())
        markets = await rest.markets()
        assert (markets.coins["BTC"], markets.coins["UBTC/USDC"]) == ("BTC", "@142")
        assert rest.weight == 40
